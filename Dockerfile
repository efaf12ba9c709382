# Mailover in a container: built with the compiler, run without it, as a user without rights.
#   docker build -t mailover .
#   docker run --rm -p 127.0.0.1:3000:3000 -v mailover-data:/data mailover
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.json tsconfig.build.json ./
RUN npm ci
COPY config config
COPY providers providers
COPY src src
RUN npm run build && npm prune --omit=dev

FROM node:24-bookworm-slim
# For the embedded mode. With REDIS_URL set it is never started.
RUN apt-get update \
  && apt-get install -y --no-install-recommends redis-server \
  && rm -rf /var/lib/apt/lists/*
# PORT and not the settings file, so that the health check below knows where to ask.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 MAILOVER_DATA_DIR=/data
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/config/demo.yaml config/
COPY --from=build /app/dist dist
# The only place that is written to: the rest may be read-only.
RUN install -d -o node -g node -m 700 /data
VOLUME /data
USER node
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/src/cli/main.js", "serve"]
