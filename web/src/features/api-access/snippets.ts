// How to call a workflow from outside, ready to be copied.
import type { Definition, Json, JsonObject } from '@/api/types';
import { obj, str } from '@/flow/model';
import { exampleInput, triggerOf } from '@/run/input-schema';

export type Language = 'curl' | 'javascript' | 'python';
export type Mode = 'wait' | 'async' | 'stream';

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
const indent = (text: string, by: string) => text.replaceAll('\n', `\n${by}`);

function curl(url: string, body: string, mode: Mode): string {
  return `curl ${mode === 'stream' ? '-N ' : ''}${url} \\
  -H "Authorization: Bearer $HEDDLE_KEY" \\
  -H "Content-Type: application/json" \\
  -d ${quote(body)}`;
}

function javascript(url: string, body: string, mode: Mode): string {
  const call = `const response = await fetch("${url}", {
  method: "POST",
  headers: {
    Authorization: \`Bearer \${process.env.HEDDLE_KEY}\`,
    "Content-Type": "application/json",
    "Idempotency-Key": crypto.randomUUID(),
  },
  body: JSON.stringify(${indent(body, '  ')}),
});
if (!response.ok) throw new Error((await response.json()).detail);`;
  if (mode === 'stream')
    return `${call}
for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
  process.stdout.write(piece); // server-sent events
}`;
  return `${call}
const run = await response.json();
console.log(run.id, run.state${mode === 'wait' ? ', run.output' : ''});`;
}

/** JSON as a Python literal. */
export function pythonValue(value: Json, by = ''): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value !== 'object') return JSON.stringify(value);
  const inner = `${by}    `;
  if (Array.isArray(value))
    return value.length === 0
      ? '[]'
      : `[\n${value.map((item) => inner + pythonValue(item, inner)).join(',\n')},\n${by}]`;
  const entries = Object.entries(value);
  return entries.length === 0
    ? '{}'
    : `{\n${entries.map(([key, item]) => `${inner}${JSON.stringify(key)}: ${pythonValue(item, inner)}`).join(',\n')},\n${by}}`;
}

function python(url: string, body: JsonObject, mode: Mode): string {
  const call = `response = requests.post(
    "${url}",
    headers={
        "Authorization": f"Bearer {os.environ['HEDDLE_KEY']}",
        "Idempotency-Key": str(uuid.uuid4()),
    },
    json=${pythonValue(body, '    ')},${mode === 'stream' ? '\n    stream=True,' : ''}
)
response.raise_for_status()`;
  const end =
    mode === 'stream'
      ? `for line in response.iter_lines(decode_unicode=True):\n    print(line)  # server-sent events`
      : `run = response.json()\nprint(run["id"], run["state"]${mode === 'wait' ? ', run["output"]' : ''})`;
  return `import os\nimport uuid\n\nimport requests\n\n${call}\n${end}`;
}

export function snippet(language: Language, origin: string, workflowId: string, mode: Mode, input: Json): string {
  const url = `${origin}/api/workflows/${workflowId}/execute`;
  const body: JsonObject = { input, mode };
  if (language === 'python') return python(url, body, mode);
  const text = JSON.stringify(body, null, 2);
  return language === 'curl' ? curl(url, text, mode) : javascript(url, text, mode);
}

export interface Hook {
  url: string;
  method: string;
  auth: string;
  curl: string;
}

/** How the webhook trigger is called; null when the workflow has none. */
export function hookOf(definition: Definition, url: string): Hook | null {
  const trigger = triggerOf(definition);
  if (trigger?.data['trigger'] !== 'webhook') return null;
  const hook = obj(trigger.data['webhook']);
  const auth = str(hook['auth']) || 'none';
  const wanted = str(hook['method']) || 'POST';
  const method = wanted === 'ANY' ? 'POST' : wanted;
  const lines = [`curl${method === 'POST' ? '' : ` -X ${method}`} ${url}`];
  if (auth === 'header') lines.push(`-H "${str(hook['header']) || 'X-Api-Key'}: $SECRET"`);
  if (auth === 'bearer') lines.push('-H "Authorization: Bearer $SECRET"');
  if (auth === 'basic') lines.push(`-u "${str(hook['user']) || 'user'}:$SECRET"`);
  if (auth === 'hmac') {
    const signature = str(hook['signature_header']) || 'webhook-signature';
    if (hook['timestamp_header'] === '') lines.push(`-H "${signature}: sha256=$SIGNATURE"`);
    else
      lines.push(
        '-H "webhook-id: $ID"',
        `-H "${str(hook['timestamp_header']) || 'webhook-timestamp'}: $TIMESTAMP"`,
        `-H "${signature}: v1,$SIGNATURE"`,
      );
  }
  if (method !== 'GET')
    lines.push('-H "Content-Type: application/json"', `-d ${quote(JSON.stringify(exampleInput(definition), null, 2))}`);
  return { url, method: wanted, auth, curl: lines.join(' \\\n  ') };
}
