import { describe, expect, it } from 'vitest';
import type { Definition, JsonObject } from '@/api/types';
import { hookOf, pythonValue, snippet } from '@/features/api-access/snippets';

describe('snippets', () => {
  it('survive quotes in the input', () => {
    expect(snippet('curl', 'http://h', 'w', 'wait', { name: "O'Hara" })).toContain(`"name": "O'\\''Hara"`);
  });

  it('call the workflow with a key in the way of each language', () => {
    for (const language of ['curl', 'javascript', 'python'] as const) {
      const text = snippet(language, 'http://h', 'w1', 'async', { a: 1 });
      expect(text).toContain('http://h/api/workflows/w1/execute');
      expect(text).toContain('HEDDLE_KEY');
      expect(text).toContain('async');
    }
  });

  it('write Python values', () => {
    expect(pythonValue({ a: true, b: null, c: [1, 'x'], d: {} })).toBe(
      '{\n    "a": True,\n    "b": None,\n    "c": [\n        1,\n        "x",\n    ],\n    "d": {},\n}',
    );
  });
});

describe('the webhook of a workflow', () => {
  const flow = (data: JsonObject): Definition => ({
    heddle: 1,
    name: 'x',
    edges: [],
    nodes: [{ id: 't', type: 'trigger', position: { x: 0, y: 0 }, data }],
  });

  it('is there only for a webhook trigger', () => {
    expect(hookOf(flow({ trigger: 'manual' }), 'u')).toBeNull();
  });

  it('is called as its trigger wants it', () => {
    expect(
      hookOf(flow({ trigger: 'webhook', webhook: { auth: 'header', header: 'X-Key' } }), 'http://h/hooks/w')?.curl,
    ).toContain('-H "X-Key: $SECRET"');
    expect(hookOf(flow({ trigger: 'webhook', webhook: { method: 'GET' } }), 'http://h/hooks/w')?.curl).toBe(
      'curl -X GET http://h/hooks/w',
    );
    const github = hookOf(
      flow({
        trigger: 'webhook',
        webhook: { auth: 'hmac', signature_header: 'X-Hub-Signature-256', timestamp_header: '' },
      }),
      'u',
    );
    expect(github?.curl).toContain('X-Hub-Signature-256: sha256=');
  });
});
