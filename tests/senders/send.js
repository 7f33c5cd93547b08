// Sends one trace of two spans with the JavaScript SDK: node send.js KIND URL TOKEN, KIND one of json, proto, grpc.
const { SpanKind, SpanStatusCode, context, trace } = require("@opentelemetry/api");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { NodeTracerProvider, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-node");

const [kind, url, token] = process.argv.slice(2);
const headers = { authorization: `Bearer ${token}` };

function exporter() {
  if (kind === "grpc") {
    const { Metadata } = require("@grpc/grpc-js");
    const metadata = new Metadata();
    metadata.set("authorization", headers.authorization);
    const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-grpc");
    return new OTLPTraceExporter({ url, metadata });
  }
  const name = kind === "json" ? "http" : "proto";
  const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${name}`);
  return new OTLPTraceExporter({ url: `${url}/v1/traces`, headers, compression: "gzip" });
}

const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "javascript-shop", "service.version": "7" }),
  spanProcessors: [new SimpleSpanProcessor(exporter())],
});
const tracer = provider.getTracer("sender");
const outer = tracer.startSpan("GET /basket", {
  kind: SpanKind.SERVER,
  attributes: { "http.route": "/basket", "http.response.status_code": 500 },
});
const inner = tracer.startSpan("SELECT", { kind: SpanKind.CLIENT }, trace.setSpan(context.active(), outer));
inner.recordException(new TypeError("no such column"));
inner.setStatus({ code: SpanStatusCode.ERROR, message: "no such column" });
inner.end();
outer.end();
provider
  .forceFlush()
  .then(() => provider.shutdown())
  .then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
