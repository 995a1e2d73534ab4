// Pages work without scripts; these add live refresh, keys, completion, cross-hairs, and moving within a trace.
import "./preferences.js";
import "./actions.js";
import "./charts.js";
import "./complete.js";
import "./trace.js";
import "./keyboard.js";
import "./live.js";
import "./runs.js";
