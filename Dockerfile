# Build with the compiler, run without it.
FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json tsconfig.client.json ./
COPY src ./src
COPY dashboard ./dashboard
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /opt/clawgate
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY routes.yaml ./
COPY examples ./examples
# The name is on the PATH inside the container: docker exec gateway clawgate check -c /etc/clawgate/routes.yaml
RUN ln -s /opt/clawgate/dist/main.js /usr/local/bin/clawgate && chmod +x dist/main.js \
	&& mkdir /etc/clawgate && cp routes.yaml /etc/clawgate/routes.yaml
USER node
EXPOSE 8080 8443 9090
# The configuration is mounted at /etc/clawgate; CLAWGATE_HEALTH_URL follows a changed admin.address.
ENV CLAWGATE_HEALTH_URL=http://127.0.0.1:9090/healthz
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
	CMD ["node", "-e", "fetch(process.env.CLAWGATE_HEALTH_URL).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# SIGTERM drains: give it more time than shutdown.drain.timeout (docker stop -t 60).
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/opt/clawgate/dist/main.js"]
CMD ["run", "-c", "/etc/clawgate/routes.yaml"]
