"""Where others keep telemetry: asked for a window of time, answered with rows and with what was left out."""
