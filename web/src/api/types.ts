// What travels between console and server, after docs/formats/api.md and docs/formats/workflow.md.
// One file, so that the types printed by `heddle openapi` can take its place.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/* ---- definition (docs/formats/workflow.md) ---- */

export type VariableType = 'string' | 'number' | 'boolean' | 'object' | 'array' | 'any';
export interface Variable {
  name: string;
  type: VariableType;
  value?: Json;
  description?: string;
}

export interface WorkflowSettings {
  timeout?: string | number;
  deadline?: string | number;
  max_steps?: number;
  max_parallel?: number;
  /** Id or name of the workflow that is started when a run fails. */
  error_workflow?: string;
  flow?: FlowControl;
}

export interface Rate {
  limit?: number;
  per?: string | number;
  burst?: number;
}

/** Starts that follow each other closely become one run. */
export interface Debounce {
  delay?: string | number;
  max_delay?: string | number;
  mode?: 'trailing' | 'leading';
}

/** So many starts become one run, which gets the list of their inputs. */
export interface Batch {
  size?: number;
  timeout?: string | number;
}

/** How runs make room for each other. */
export interface FlowControl {
  key?: string;
  pool?: string;
  concurrency?: number;
  throttle?: Rate;
  rate_limit?: Rate;
  singleton?: 'off' | 'skip' | 'cancel';
  debounce?: Debounce;
  batch?: Batch;
  priority?: Json;
  fair?: string;
}

export interface NodeDef {
  id: string;
  type: string;
  position: { x: number; y: number };
  data: JsonObject;
  /** Looks of React Flow that are kept: width, height, parentId, extent, zIndex, style, className. */
  [look: string]: unknown;
}

export interface EdgeDef {
  id: string;
  source: string;
  target: string;
  sourceHandle?: string;
  targetHandle?: string;
  [look: string]: unknown;
}

export interface Definition {
  heddle: 1;
  name: string;
  description?: string;
  variables?: Variable[];
  settings?: WorkflowSettings;
  nodes: NodeDef[];
  edges: EdgeDef[];
  viewport?: { x: number; y: number; zoom: number };
}

/* ---- problems ---- */

/** One thing wrong with a definition or a body, with its place. */
export interface Located {
  path: string;
  node?: string;
  field?: string;
  code: string;
  message: string;
  warning?: boolean;
}

/** RFC 9457. */
export interface ProblemBody {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  code?: string;
  request_id?: string;
  errors?: Located[];
}

export interface Validation {
  valid: boolean;
  errors: Located[];
  warnings: Located[];
}

/* ---- who ---- */

export interface Me {
  name: string;
  kind: 'key' | 'session';
  capabilities: string[];
  tenant: string;
  version?: string;
}

/* ---- workflows ---- */

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export interface WorkflowSummary {
  id: string;
  name: string;
  description?: string;
  revision: number;
  published_version: number | null;
  latest_version: number | null;
  created_at: string;
  updated_at: string;
}

export interface Workflow extends WorkflowSummary {
  webhook_url?: string | null;
  form_url?: string | null;
  chat_url?: string | null;
  definition: Definition;
  warnings?: Located[];
}

/** A call that came to the draft's test address. */
export interface HookCall {
  at: string;
  outcome: 'started' | 'repeated' | 'skipped' | 'refused';
  request: { method: string; headers: JsonObject; query: JsonObject | null };
  size: number;
  input?: Json;
  raw?: string;
  truncated?: boolean;
  run_id?: string;
  error?: { status: number; code: string; message: string };
  errors?: { path: string; code: string; message: string }[];
}

export interface Listening {
  listening: boolean;
  url: string;
  until: string | null;
  calls: HookCall[];
}

export interface VersionSummary {
  version: number;
  created_at: string;
  published?: boolean;
  created_by?: string;
}

export interface Version extends VersionSummary {
  definition: Definition;
}

/* ---- node types ---- */

export type FieldKind =
  | 'string'
  | 'template'
  | 'value'
  | 'map'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'enum'
  | 'span'
  | 'size'
  | 'json'
  | 'schema'
  | 'strings'
  | 'object'
  | 'list';

export interface FieldType {
  name: string;
  kind: FieldKind;
  required: boolean;
  default?: string | number | boolean;
  one_of?: string[];
  min?: number;
  max?: number;
  title?: string;
  help?: string;
  secret?: boolean;
  /** Several lines are usual. */
  lines?: boolean;
  /** The field belongs to these values of a field beside it, and is refused with others. */
  when?: { field: string; is: string[] };
  /** Of an object, or of each element of a list. */
  fields?: FieldType[];
}

export interface NodeType {
  type: string;
  title: string;
  help?: string;
  group: string;
  effects?: 'pure' | 'idempotent' | 'external';
  handles: string[];
  /** More handles come from the settings, as those of a condition's cases. */
  handles_by_settings?: boolean;
  timeout?: string;
  max_attempts?: number;
  fields: FieldType[];
}

export interface NodeTypes {
  types: NodeType[];
  common: FieldType[];
}

/* ---- runs ---- */

export type RunState = 'queued' | 'running' | 'waiting' | 'paused' | 'poisoned' | 'succeeded' | 'failed' | 'cancelled';
export type StepState = 'idle' | 'running' | 'retrying' | 'waiting' | 'succeeded' | 'failed' | 'skipped';

export interface RunError {
  code: string;
  message: string;
  node?: string;
}

export interface Step {
  node: string;
  title?: string;
  type?: string;
  state: StepState;
  attempts: number;
  started_at?: string | null;
  finished_at?: string | null;
  duration_ms?: number | null;
  input?: Json;
  output?: Json;
  handle?: string | null;
  error?: RunError | null;
  retry_at?: string | null;
  /** When a wait is over; null: nobody knows. */
  due_at?: string | null;
  waiting_for?: JsonObject | null;
  /** It did not run: its result is that of the run that is run again ("run"), was edited ("edit"), given ("mock"), or made up in a dry run ("placeholder"). */
  kept?: string | null;
  /** How far an iteration or a loop is. */
  items?: { total: number; done: number; running: number; failed: number };
}

/** An item of an iteration or a round of a loop. */
export interface Turn {
  index: number;
  /** "iteration-1[12]" */
  scope: string;
  state: 'running' | 'succeeded' | 'failed' | 'skipped';
  steps: Step[];
}

export interface TurnPage {
  items: Turn[];
  total: number;
  next: number | null;
}

export interface RunSummary {
  id: string;
  workflow_id: string;
  workflow_name: string;
  /** 0: a draft. */
  version: number;
  state: RunState;
  trigger: string;
  /** Nothing was called: steps gave placeholders. */
  dry_run?: boolean;
  error?: RunError | null;
  created_at: string;
  started_at?: string | null;
  finished_at?: string | null;
  duration_ms?: number | null;
  /** It is not deleted, however old. */
  keep?: boolean;
}

export interface Run extends RunSummary {
  input?: Json;
  output?: Json;
  steps: Step[];
  /** The run that was run again, and from which step on. */
  rerun_of?: { run_id: string; from: string | null; edited: string[] } | null;
  /** Somebody wants it to rest. */
  pause_requested?: boolean;
  /** The step of another run that has started it. */
  parent?: { run_id: string; node: string } | null;
  /** Runs that its steps have started. */
  children?: RunChild[];
  /** The graph it ran. */
  definition?: Definition;
}

export interface RunChild {
  run_id: string;
  node: string;
  workflow_id: string;
  workflow_name: string;
  state: RunState;
  waited_for: boolean;
}

/** What one person decided. */
export interface Decision {
  decision: 'approve' | 'reject';
  by: string;
  comment?: string | null;
  data?: Json;
  at: string;
}

/** A prompt that is called as "prompt/NAME". */
export interface Prompt {
  id: string;
  name: string;
  description: string;
  /** Which version a label stands for; "published" is called when nothing is said. */
  labels: Record<string, number>;
  latest: number;
  revision: number;
  created_at: string;
  updated_at: string;
}

export interface PromptVersion {
  version: number;
  note: string;
  created_by: string;
  created_at: string;
  variables: string[];
  /** Those that have no default. */
  required: string[];
  /** Not in lists. */
  prompt?: JsonObject;
}

export interface PromptDiff {
  from: number;
  to: number;
  changes: { path: string; from?: Json; to?: Json }[];
}

export type ModelCallOutcome = 'ok' | 'failed' | 'refused' | 'limited' | 'cancelled';

/** A call of a model, without what was said. */
export interface ModelCall {
  id: string;
  time: string;
  key: string;
  model: string;
  provider: string;
  upstream_model: string;
  operation: string;
  streamed: boolean;
  outcome: ModelCallOutcome;
  status: number;
  error: string | null;
  attempts: number;
  from_cache: boolean;
  /** Targets were called beside each other; those that lost are calls with the error "hedge_lost". */
  hedged: boolean;
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
  reasoning_tokens: number;
  estimated: boolean;
  /** Millionths of a US dollar; null: the price was not known. */
  cost_micros: number | null;
  saved_micros: number;
  overhead_us: number;
  first_byte_ms: number | null;
  total_ms: number;
  tokens_per_second: number | null;
  agent: string | null;
  workflow: string | null;
  step: string | null;
  end_user: string | null;
  request_id: string | null;
}

export interface ModelCallDetail extends ModelCall {
  /** What was said is kept. */
  logged: boolean;
  request: Json;
  answer: Json;
}

/** A step that waits for people. */
export interface Approval {
  id: string;
  run_id: string;
  workflow_id: string;
  workflow_name: string;
  node: string;
  subject: string;
  message: string;
  approvers: string[];
  needed: number;
  /** JSON Schema of what an approver fills in. */
  form: JsonObject | null;
  decisions: Decision[];
  created_at: string;
  due_at?: string | null;
}

/** What became of a decision. */
export interface Decided {
  recorded: boolean;
  decision: 'approve' | 'reject' | null;
  outcome: string | null;
}

export type EventKind =
  | 'run.started'
  | 'step.started'
  | 'step.finished'
  | 'step.failed'
  | 'step.skipped'
  | 'step.opened'
  | 'step.round'
  | 'step.waiting'
  | 'step.answered'
  | 'run.queued'
  | 'run.admitted'
  | 'run.waiting'
  | 'run.paused'
  | 'run.resumed'
  | 'run.clock_set'
  | 'run.cancel_requested'
  | 'run.compensating'
  | 'run.succeeded'
  | 'run.failed'
  | 'run.cancelled';

/** One line of a run's journal. */
export interface RunEvent {
  seq: number;
  at: string;
  type: EventKind;
  run_id: string;
  node?: string;
  /** The item or round it belongs to: "iteration-1[12]". */
  scope?: string;
  attempt?: number;
  duration_ms?: number;
  input?: Json;
  output?: Json;
  handle?: string;
  error?: RunError;
  retry_at?: string;
  handled?: 'default' | 'branch';
  until?: string;
  reason?: string;
  waiting_for?: JsonObject;
  /** Of step.finished: where a result comes from that was taken over. Of run.started: those results. */
  kept?: string | JsonObject;
}

/** A live piece of a step; not journaled, comes without id. */
export interface StepDelta {
  type: 'step.delta';
  run_id: string;
  node: string;
  scope?: string;
  text: string;
}

/** Where two values differ; a side that is there and not given is too long to be told. */
export interface Difference {
  /** A JSON pointer. */
  path: string;
  kind: 'added' | 'removed' | 'changed';
  left?: Json;
  right?: Json;
}

/** One step of two runs. */
export interface StepSide {
  state: StepState;
  attempts: number;
  duration_ms: number | null;
  handle: string | null;
  kept: string | null;
  error_code: string | null;
}

export interface StepComparison {
  node: string;
  title?: string;
  type: string;
  change: 'same' | 'changed' | 'only_left' | 'only_right';
  left: StepSide | null;
  right: StepSide | null;
  differences: Difference[];
}

export interface RunComparison {
  left: RunSummary;
  right: RunSummary;
  same: boolean;
  same_definition: boolean;
  /** False when there are more differences than are told. */
  whole: boolean;
  input: Difference[];
  output: Difference[];
  steps: StepComparison[];
}

/** A node or an edge that is other in another version. */
export interface PartDiff {
  id: string;
  type?: string;
  change: 'added' | 'removed' | 'changed';
  differences: Difference[];
}

export interface WorkflowDiff {
  same: boolean;
  whole?: boolean;
  nodes: PartDiff[];
  edges: PartDiff[];
  workflow: Difference[];
}

export interface RerunRequest {
  from?: string;
  /** Results that stand in place of those of the run, by step. */
  edits?: Record<string, Json>;
  version?: 'pinned' | 'published';
}

export interface ExecuteRequest {
  input?: Json;
  mode?: 'wait' | 'async' | 'stream';
  version?: number | 'draft' | 'published';
  dry_run?: boolean;
  timeout?: string;
}

/* ---- schedules ---- */

export interface ScheduleTime {
  at: string;
  /** What the clock in the schedule's time zone shows. */
  local: string;
}
export interface SchedulePreview {
  settings: JsonObject;
  times: ScheduleTime[];
}
