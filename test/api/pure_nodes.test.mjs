/* Templates, conditions and data-transform: what goes in, what comes out, by the pages of the format. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { stepOf } from '../lib/api.mjs';
import { roomy } from '../lib/gate.mjs';
import { onEachDatabase } from '../lib/suite.mjs';
import { chain, condition, flow, noRetry, output, set, text, trigger, when } from '../lib/flow.mjs';

const input = {
  name: 'Ada',
  n: 7,
  f: 1.5,
  yes: true,
  no: false,
  nil: null,
  empty: '',
  list: [1, 'two', { three: 3 }],
  nobody: {},
  'odd key': 'odd',
  deep: { a: { b: [{ c: 'found' }] } },
  uni: '\u{1f9f6}\u00e9',
  date: '2026-11-20T08:15:30Z',
  num: '42',
};

/* template, the value it gives */
const templates = [
  ['plain text', 'plain text'],
  ['{{ input.name }}', 'Ada'],
  ['{{input.name}}', 'Ada'],
  ['{{   input.name\n}}', 'Ada'],
  ['{{ input.n }}', 7],
  ['{{ input.f }}', 1.5],
  ['{{ input.yes }}', true],
  ['{{ input.nil }}', null],
  ['{{ input.list }}', input.list],
  ['{{ input.list[0] }}', 1],
  ['{{ input.list[2].three }}', 3],
  ['{{ input["odd key"] }}', 'odd'],
  ["{{ input['odd key'] }}", 'odd'],
  ['{{ input.deep.a.b[0].c }}', 'found'],
  ['{{ start.name }}', 'Ada'],
  ['Hello {{ input.name }}!', 'Hello Ada!'],
  ['{{ input.name }}{{ input.n }}', 'Ada7'],
  [' {{ input.n }}', ' 7'],
  ['{{ input.n }}/{{ input.f }}/{{ input.yes }}/{{ input.nil }}/', '7/1.5/true//'],
  ['got {{ input.list }}', 'got [1,"two",{"three":3}]'],
  ['{{ input.uni }} {{ input.uni }}', '\u{1f9f6}\u00e9 \u{1f9f6}\u00e9'],
  ['{{ vars.greeting }} {{ greeting }}', 'Hi Hi'],
  ['{{ vars.limits.top }}', 10],
  ['{{ input?.nothing }}', null],
  ['{{ input?.nothing?.more }}', null],
  ['{{ input.nothing ?? "none" }}', 'none'],
  ['{{ input.nil ?? "none" }}', 'none'],
  ['{{ input.name ?? "none" }}', 'Ada'],
  ['{{ input.nothing ?? 3 }}', 3],
  ['{{ input.nothing ?? null }}', null],
  ['{{ "text" }}', 'text'],
  ["{{ 'text' }}", 'text'],
  ['{{ 12 }}', 12],
  ['{{ -1.5e3 }}', -1500],
  ['{{ true }}', true],
  ['{{ null }}', null],
  ['{{ "{{" }} and }}', '{{ and }}'],
  ['{{ workflow.name }}', 'Templates'],
  ['a {b} {c', 'a {b} {c'],
  ['{{ "a\\"b\\n" }}', 'a"b\n'],
];

/* template, what the error must speak of */
const broken = [
  ['{{ input.nothing }}', /nothing/],
  ['{{ input.name.first }}', /first/],
  ['{{ input.list[9] }}', /9/],
  ['{{ input.list.length2 }}', /length2/],
  ['x {{ input.deep.a.z }} y', /z/],
  ['{{ request.method }}', /request|method/],
];

/* left, operator, right, holds? */
const holding = [
  [1, 'equals', 1, true],
  [1, 'equals', 1.0, true],
  [1, 'equals', '1', false],
  ['a', 'equals', 'A', false],
  [null, 'equals', null, true],
  [[1, { a: 2 }], 'equals', [1, { a: 2 }], true],
  [{ a: 1, b: 2 }, 'equals', { b: 2, a: 1 }, true],
  [[1, 2], 'equals', [2, 1], false],
  ['{{ input.n }}', 'equals', 7, true],
  ['{{ input.n }}', 'not_equals', 7, false],
  ['{{ input.deep }}', 'equals', { a: { b: [{ c: 'found' }] } }, true],
  ['hello', 'contains', 'ell', true],
  ['hello', 'contains', 'ELL', false],
  ['{{ input.list }}', 'contains', 'two', true],
  ['{{ input.list }}', 'contains', { three: 3 }, true],
  ['{{ input.list }}', 'contains', 'three', false],
  ['hello', 'not_contains', 'x', true],
  ['hello', 'starts_with', 'he', true],
  ['hello', 'starts_with', 'lo', false],
  ['hello', 'ends_with', 'lo', true],
  ['\u00e4\u{1f9f6}', 'ends_with', '\u{1f9f6}', true],
  ['lead-42', 'matches', '^lead-\\d+$', true],
  ['lead-x', 'matches', '^lead-\\d+$', false],
  [3, 'gt', 2, true],
  [2, 'gt', 2, false],
  [2, 'gte', 2, true],
  [1, 'lt', 2, true],
  [2, 'lte', 2, true],
  ['{{ input.num }}', 'gt', 41.5, true],
  ['10', 'gt', '9', true],
  [9007199254740993, 'gt', 9007199254740992, null],
  [5, 'between', [1, 5], true],
  [5.1, 'between', [1, 5], false],
  [0, 'between', [1, 5], false],
  ['2026-11-20', 'before', '2026-11-21', true],
  ['{{ input.date }}', 'after', '2026-11-20T08:15:29Z', true],
  ['2026-11-20T10:00:00+02:00', 'before', '2026-11-20T09:00:00Z', true],
  ['2026-11-20T10:00:00Z', 'after', '2026-11-20T10:00:00Z', false],
  ['b', 'in', ['a', 'b'], true],
  [1, 'in', ['1'], false],
  [1, 'not_in', ['1'], true],
  ['', 'is_empty', undefined, true],
  [[], 'is_empty', undefined, true],
  ['{{ input.nobody }}', 'is_empty', undefined, true],
  ['x', 'is_empty', undefined, false],
  ['{{ input.nothing }}', 'is_empty', undefined, true],
  [null, 'is_empty', undefined, true],
  ['x', 'is_not_empty', undefined, true],
  ['{{ input.nothing }}', 'is_not_empty', undefined, false],
  ['{{ input.nothing }}', 'exists', undefined, false],
  ['{{ input.nil }}', 'exists', undefined, true],
  ['{{ input.nothing }}', 'not_exists', undefined, true],
  ['{{ input.nil }}', 'is_null', undefined, true],
  ['{{ input.nothing }}', 'is_null', undefined, true],
  ['{{ input.name }}', 'is_not_null', undefined, true],
  ['{{ input.yes }}', 'is_true', undefined, true],
  ['{{ input.no }}', 'is_true', undefined, false],
  ['{{ input.no }}', 'is_false', undefined, true],
  ['{{ input.list }}', 'type_is', 'array', true],
  ['{{ input.n }}', 'type_is', 'number', true],
  ['{{ input.name }}', 'type_is', 'string', true],
  ['{{ input.nil }}', 'type_is', 'null', true],
  ['{{ input.deep }}', 'type_is', 'object', true],
  ['{{ input.yes }}', 'type_is', 'boolean', true],
  ['{{ input.yes }}', 'type_is', 'string', false],
  ['{{ input.list }}', 'length_equals', 3, true],
  ['abc', 'length_gt', 2, true],
  ['\u00e4\u00f6', 'length_equals', 2, true],
  ['{{ input.list }}', 'length_lt', 3, false],
].filter((row) => row[3] !== null);

/* left, operator, right: an error of that condition */
const mistyped = [
  ['{{ input.list }}', 'gt', 1],
  ['abc', 'lt', 5],
  ['{{ input.nothing }}', 'equals', 1],
  [5, 'starts_with', 'x'],
  ['soon', 'before', '2026-11-20'],
  ['x', 'in', '{{ input.name }}'],
  ['{{ input.name }}', 'is_true', undefined],
  [5, 'length_gt', 1],
];

onEachDatabase('pure nodes', (ctx) => {
  const { test } = ctx;

  describe('templates', () => {
    const vars = {
      variables: [
        { name: 'greeting', type: 'string', value: 'Hi' },
        { name: 'limits', type: 'object', value: { top: 10 } },
      ],
    };
    const once = (template) =>
      ctx.api.once(chain('Templates', { out: output({ value: template }) }, vars), input);

    for (const [template, value] of templates)
      test(`${JSON.stringify(template)} gives ${JSON.stringify(value)}`, async () => {
        const run = await once(template);
        assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
        assert.deepEqual(run.output.value, value);
      });
    for (const [template, says] of broken)
      test(`${JSON.stringify(template)} is an error, not an empty text`, async () => {
        const run = await once(template);
        assert.equal(run.state, 'failed');
        assert.match(run.error.message, says);
      });
    test('the run and the workflow are there by name', async () => {
      const run = await ctx.api.once(
        chain('Templates', {
          out: output('{{ run.id }} {{ run.started_at }} {{ workflow.id }} {{ workflow.version }}'),
        }),
        {},
      );
      const [id, at, workflow] = run.output.split(' ');
      assert.deepEqual([id, workflow], [run.id, run.workflow_id]);
      assert.equal(new Date(at).toISOString().slice(0, 19), run.started_at.slice(0, 19));
    });
    test('a text that grows without bound is an error, not a memory', async () => {
      const nodes = { n0: text('0123456789'.repeat(100)) };
      for (let i = 1; i < 9; i++) nodes[`n${i}`] = text(`{{ n${i - 1} }}`.repeat(10));
      const run = await ctx.api.once(chain('Grows', nodes), {});
      assert.equal(run.state, 'failed');
      assert.equal(run.error.code, 'too_large');
      assert.ok(ctx.server.rss() < 500 * roomy, `${ctx.server.rss()} MiB`);
    });
  });

  describe('conditions', () => {
    const decide = (left, operator, right) =>
      ctx.api.once(chain('Decides', { c: condition(when('holds', left, operator, right)) }), input);
    for (const [left, operator, right, holds] of holding)
      test(`${JSON.stringify(left)} ${operator} ${right === undefined ? '' : JSON.stringify(right)} is ${holds}`, async () => {
        const run = await decide(left, operator, right);
        assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
        assert.equal(stepOf(run, 'c').handle, holds ? 'holds' : 'else');
      });
    for (const [left, operator, right] of mistyped)
      test(`${JSON.stringify(left)} ${operator} ${right === undefined ? '' : JSON.stringify(right)} is an error that names the condition`, async () => {
        const run = await decide(left, operator, right);
        assert.equal(run.state, 'failed');
        assert.match(run.error.message, /holds|condition|nothing/);
      });

    test('the first case that holds is taken, and only its branch runs', async () => {
      const definition = flow(
        'Branches',
        {
          start: trigger(),
          c: condition(when('small', '{{ input.n }}', 'lt', 5), when('middle', '{{ input.n }}', 'lt', 50), {
            ...when('big', '{{ input.n }}', 'gte', 50),
            title: 'Big',
          }),
          s: output('small'),
          m: output('middle'),
          b: output('big'),
          e: output('else'),
        },
        ['start -> c', 'c:small -> s', 'c:middle -> m', 'c:big -> b', 'c:else -> e'],
      );
      const id = await ctx.api.workflow(definition);
      for (const [n, want] of [
        [1, 'small'],
        [5, 'middle'],
        [49, 'middle'],
        [50, 'big'],
      ]) {
        const run = await ctx.api.run(id, { n });
        assert.equal(run.output, want);
        assert.equal(run.steps.filter((s) => s.type === 'output' && s.state === 'skipped').length, 3);
      }
    });

    test('and needs all, or needs one', async () => {
      const both = (logic) => ({
        id: logic,
        logic,
        conditions: [
          { left: '{{ input.a }}', operator: 'is_true' },
          { left: '{{ input.b }}', operator: 'is_true' },
        ],
      });
      const id = await ctx.api.workflow(chain('Logic', { c: condition(both('and'), both('or')) }));
      for (const [a, b, want] of [
        [true, true, 'and'],
        [true, false, 'or'],
        [false, true, 'or'],
        [false, false, 'else'],
      ])
        assert.equal((await ctx.api.run(id, { a, b })).output.case, want);
    });

    test('a pattern that backtracks without end is stopped', async () => {
      const at = Date.now();
      const run = await ctx.api.once(
        chain('ReDoS', { c: condition(when('x', '{{ input }}', 'matches', '^(a+)+$')) }),
        'a'.repeat(40) + '!',
      );
      assert.ok(Date.now() - at < 20_000);
      if (run.state === 'succeeded') assert.equal(stepOf(run, 'c').handle, 'else');
      else assert.ok(run.error.message);
    });
  });

  describe('data-transform', () => {
    const transform = (data, given = input) =>
      ctx.api.once(chain('Transforms', { t: ['data-transform', { retry: noRetry, ...data }] }), given);
    const gives = async (data, value) => {
      const run = await transform(data);
      assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
      assert.deepEqual(run.output, value);
    };

    test('template gives text, or JSON when asked', async () => {
      await gives(
        { mode: 'template', template: '{"who": "{{ input.name }}", "n": {{ input.n }}}' },
        '{"who": "Ada", "n": 7}',
      );
      await gives(
        { mode: 'template', template: '{"who": "{{ input.name }}", "n": {{ input.n }}}', parse_json: true },
        { who: 'Ada', n: 7 },
      );
      const run = await transform({
        mode: 'template',
        template: '{"who": {{ input.name }}}',
        parse_json: true,
      });
      assert.equal(run.state, 'failed');
      assert.match(run.error.message, /JSON/);
    });
    test('set makes values, merged over another', async () => {
      await gives(
        { mode: 'set', values: { a: '{{ input.n }}', b: ['{{ input.name }}', { c: '{{ input.nil }}' }] } },
        { a: 7, b: ['Ada', { c: null }] },
      );
      await gives(
        { mode: 'set', from: { keep: 1, change: 1 }, values: { change: 2, add: 3 } },
        { keep: 1, change: 2, add: 3 },
      );
      const run = await transform({ mode: 'set', from: '{{ input.list }}', values: { a: 1 } });
      assert.equal(run.state, 'failed', 'a list is nothing to merge over');
    });
    test('pick keeps and renames', async () => {
      await gives(
        { mode: 'pick', from: '{{ input }}', keys: ['name', 'deep.a.b'] },
        { name: 'Ada', b: [{ c: 'found' }] },
      );
      await gives(
        { mode: 'pick', from: '{{ input }}', keys: { who: 'name', what: 'deep.a' } },
        { who: 'Ada', what: { b: [{ c: 'found' }] } },
      );
    });
    test('omit leaves out', async () => {
      await gives({ mode: 'omit', from: { a: 1, b: { c: 2, d: 3 } }, keys: ['a', 'b.c'] }, { b: { d: 3 } });
    });
    test('jsonpath finds', async () => {
      const books = {
        store: {
          book: [
            { t: 'A', p: 8 },
            { t: 'B', p: 12 },
            { t: 'C', p: 9, i: 'x' },
          ],
          bicycle: { p: 399 },
        },
      };
      const find = async (path, value, more = {}) => {
        const run = await transform({ mode: 'jsonpath', from: '{{ input }}', path, ...more }, books);
        assert.equal(run.state, 'succeeded', `${path}: ${JSON.stringify(run.error)}`);
        assert.deepEqual(run.output, value, path);
      };
      await find('$.store.book[*].t', ['A', 'B', 'C']);
      await find('$..book[*].p', [8, 12, 9]);
      await find('$.store.book[-1].t', ['C']);
      await find('$.store.book[0:2].t', ['A', 'B']);
      await find('$.store.book[?@.p < 10].t', ['A', 'C']);
      await find('$.store.book[?@.i].t', ['C']);
      await find('$.store.book[0]["t"]', 'A', { first: true });
      await find('$.nothing', []);
      await find('$.nothing', null, { first: true });
    });
  });
});
