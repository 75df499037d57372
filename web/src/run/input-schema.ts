// The input of a run: which form its trigger's schema gives, and an example where there is no schema.
import type { Definition, Json, JsonObject } from '@/api/types';
import { arr, obj, str } from '@/flow/model';
import { isObject } from '@/lib/json';

export interface InputField {
  name: string;
  kind: 'string' | 'text' | 'number' | 'integer' | 'boolean' | 'enum';
  required: boolean;
  title: string;
  help?: string;
  options: string[];
  example: Json | undefined;
  format?: string;
}

const FIELDS_MAX = 16;

export function triggerOf(definition: Definition) {
  return definition.nodes.find((node) => node.type === 'trigger');
}

export function inputSchema(definition: Definition): JsonObject | null {
  const schema = triggerOf(definition)?.data['input'];
  return isObject(schema) ? schema : null;
}

/** The fields of a schema that is flat enough for a form; null when only JSON will do. */
export function formFields(schema: JsonObject | null): InputField[] | null {
  if (schema?.['type'] !== 'object') return null;
  const properties = Object.entries(obj(schema['properties']));
  if (
    properties.length === 0 ||
    properties.length > FIELDS_MAX ||
    schema['$ref'] ||
    schema['allOf'] ||
    schema['oneOf'] ||
    schema['anyOf']
  )
    return null;
  const required = arr(schema['required']);
  const fields: InputField[] = [];
  for (const [name, value] of properties) {
    const one = obj(value);
    const options = arr(one['enum']);
    const type = str(one['type']);
    const simple =
      options.length > 0
        ? options.every((option) => typeof option === 'string')
        : ['string', 'number', 'integer', 'boolean'].includes(type);
    if (!simple) return null;
    const long = type === 'string' && typeof one['maxLength'] === 'number' && one['maxLength'] > 200;
    fields.push({
      name,
      kind: options.length > 0 ? 'enum' : long ? 'text' : (type as InputField['kind']),
      required: required.includes(name),
      title: str(one['title']) || name,
      help: str(one['description']) || undefined,
      options: options.map(str),
      example: one['default'] ?? arr(one['examples'])[0],
      format: str(one['format']) || undefined,
    });
  }
  return fields;
}

/** What the form holds (texts and booleans) as the input; empty optional fields are left out. Bad numbers give null. */
export function formInput(fields: InputField[], values: Record<string, string | boolean>): JsonObject | null {
  const input: JsonObject = {};
  for (const field of fields) {
    const value = values[field.name];
    if (field.kind === 'boolean') {
      if (value !== undefined || field.required) input[field.name] = value === true;
      continue;
    }
    const text = typeof value === 'string' ? value : '';
    if (text === '' && !(field.required && (field.kind === 'string' || field.kind === 'text'))) {
      if (field.required) return null;
      continue;
    }
    if (field.kind !== 'number' && field.kind !== 'integer') {
      input[field.name] = text;
      continue;
    }
    const number = Number(text);
    if (!Number.isFinite(number) || (field.kind === 'integer' && !Number.isInteger(number))) return null;
    input[field.name] = number;
  }
  return input;
}

export function formValues(fields: InputField[], input: Json | undefined): Record<string, string | boolean> {
  const given = isObject(input) ? input : {};
  const values: Record<string, string | boolean> = {};
  for (const field of fields) {
    const value = given[field.name] ?? field.example;
    if (typeof value === 'boolean') values[field.name] = value;
    else if (value !== undefined && value !== null)
      values[field.name] = typeof value === 'string' ? value : JSON.stringify(value);
    else if (field.kind === 'enum' && field.required) values[field.name] = field.options[0] ?? '';
  }
  return values;
}

/** An example input: the schema's own examples, else the names that templates read from the input. */
export function exampleInput(definition: Definition): Json {
  const schema = inputSchema(definition);
  const given = schema?.['default'] ?? arr(schema?.['examples'])[0];
  if (given !== undefined) return given;
  const fields = formFields(schema);
  if (fields) return Object.fromEntries(fields.map((field) => [field.name, field.example ?? blank(field)]));

  const node = triggerOf(definition);
  if (node?.data['trigger'] === 'chat')
    return { message: '', conversation_id: '', turn: 1, history: [], transcript: '' };
  const trigger = node?.id ?? '';
  const input: JsonObject = {};
  const texts = JSON.stringify(definition.nodes.map((node) => node.data));
  for (const [, root, name] of texts.matchAll(/([A-Za-z0-9_-]+)\??\.([A-Za-z0-9_-]+)/g))
    if ((root === 'input' || root === trigger) && name !== undefined) input[name] ??= '';
  return input;
}

function blank(field: InputField): Json {
  if (field.kind === 'boolean') return false;
  if (field.kind === 'number' || field.kind === 'integer') return 0;
  return field.options[0] ?? '';
}
