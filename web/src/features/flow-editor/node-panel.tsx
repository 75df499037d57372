// The settings of one node, made from its type.
import { useEffect, useMemo, useRef, useState } from 'react';
import type { Json } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { typeHelp, typeTitle } from '@/flow/names';
import { nodeIcon, nodeTone, TONES } from '@/flow/node-look';
import { useNodeType } from '@/flow/node-types';
import { possibleParents } from '@/flow/bodies';
import { str } from '@/flow/model';
import { cx } from '@/lib/cx';
import { Field, Select, TextArea, TextInput } from '@/ui/field';
import { Icon } from '@/ui/icon';
import { JsonView } from '@/ui/json-view';
import { IconButton } from '@/ui/button';
import { Menu } from '@/ui/menu';
import { BehaviourSection } from '@/features/flow-editor/behaviour-section';
import { ConnectionsSection } from '@/features/flow-editor/connections-section';
import { useEditor, useShared } from '@/features/flow-editor/editor-context';
import { HookSection, isHosted } from '@/features/flow-editor/hook-section';
import { FieldInput } from '@/features/flow-editor/inputs/field-input';
import { duplicate } from '@/features/flow-editor/use-editor-keys';
import { COMMON, isLater, isShown, withField } from '@/features/flow-editor/nodes/meta';

export function NodePanel({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useT();
  const node = useEditor((state) => state.nodes.find((one) => one.id === id));
  const known = useNodeType(node?.type ?? '');
  const nodes = useEditor((state) => state.nodes);
  const parents = useMemo(() => possibleParents(id, nodes), [id, nodes]);
  const { store, problems, focus } = useShared();
  const body = useRef<HTMLDivElement>(null);
  const own = problems[id] ?? [];

  useEffect(() => {
    if (focus?.node !== id) return;
    // The innermost field that is shown: "cases/0/title" may only lead to "cases".
    const parts = focus.field.split('/');
    const at = parts
      .map((_, i) =>
        body.current?.querySelector<HTMLElement>(
          `[data-field="${CSS.escape(parts.slice(0, parts.length - i).join('/'))}"]`,
        ),
      )
      .find(Boolean);
    at?.closest('details')?.setAttribute('open', '');
    at?.scrollIntoView({ block: 'center', behavior: 'smooth' });
    at?.querySelector<HTMLElement>('input, textarea, select, button')?.focus({ preventScroll: true });
  }, [focus, id]);

  if (!node) return null;
  const type = node.type ?? '';
  const all = known?.fields ?? [];
  const fields = all.filter((field) => isShown(type, field, all, node.data));
  const put = (name: string, value: Json | undefined) =>
    store.getState().setData(id, (data) => withField(all, data, name, value), name);
  const names = new Set([...COMMON, ...all.map((field) => field.name)]);
  const strange = Object.keys(node.data).filter((name) => !names.has(name));
  const general = own.filter((problem) => !problem.field);
  const later = fields.filter((field) => isLater(type, field));

  return (
    <div ref={body} className="flex min-h-0 flex-1 flex-col">
      <header className="flex items-start gap-3 border-b p-4 pr-2">
        <span className={cx('grid size-9 shrink-0 place-items-center rounded-md', TONES[nodeTone(type, known?.group)])}>
          <Icon name={nodeIcon(type, known?.group)} size={20} />
        </span>
        <div className="min-w-0 flex-1">
          <h2 className="font-medium">{known ? typeTitle(known, t) : type}</h2>
          <p className="text-xs text-ink-3">{known ? typeHelp(known, t) : t.editor.unknownType}</p>
        </div>
        <Menu
          size="sm"
          label={t.common.more}
          items={[
            {
              label: t.editor.duplicate,
              icon: 'copy',
              keys: 'Ctrl D',
              disabled: type === 'trigger',
              onSelect: () => duplicate(store),
            },
            {
              label: t.common.delete,
              icon: 'trash',
              keys: 'Del',
              danger: true,
              onSelect: () => store.getState().removeSelected(),
            },
          ]}
        />
        <IconButton size="sm" icon="x" label={t.common.close} onClick={onClose} />
      </header>
      <div className="min-h-0 flex-1 space-y-4 overflow-y-auto p-4">
        {general.map((problem, i) => (
          <p
            key={i}
            className={cx(
              'flex gap-1.5 rounded-md px-3 py-2 text-sm',
              problem.warning ? 'bg-weld-soft text-weld' : 'bg-madder-soft text-madder',
            )}
          >
            <Icon name="alert" size={15} className="mt-0.5" />
            {problem.message}
          </p>
        ))}
        <div className="grid grid-cols-[1fr_40%] gap-3" data-field="title">
          <Field label={t.editor.title}>
            {(ids) => (
              <TextInput
                {...ids}
                value={str(node.data['title'])}
                placeholder={known ? typeTitle(known, t) : type}
                onChange={(event) => put('title', event.target.value === '' ? undefined : event.target.value)}
              />
            )}
          </Field>
          <NodeId key={id} id={id} />
        </div>
        {fields
          .filter((field) => !isLater(type, field))
          .map((field) => (
            <FieldInput
              key={field.name}
              node={id}
              words={`${type}.${field.name}`}
              path={field.name}
              field={field}
              data={node.data}
              onChange={(value) => put(field.name, value)}
            />
          ))}
        {type === 'trigger' && isHosted(node.data['trigger']) && <HookSection kind={node.data['trigger']} />}
        {later.length > 0 && (
          <Fold title={t.editor.more} count={later.filter((field) => node.data[field.name] !== undefined).length}>
            {later.map((field) => (
              <FieldInput
                key={field.name}
                node={id}
                words={`${type}.${field.name}`}
                path={field.name}
                field={field}
                data={node.data}
                onChange={(value) => put(field.name, value)}
              />
            ))}
          </Fold>
        )}
        {type !== 'trigger' && (
          <Fold
            title={t.editor.behaviour.heading}
            count={
              ['retry', 'on_error', 'timeout', 'total_timeout', 'on_unknown'].filter(
                (name) => node.data[name] !== undefined,
              ).length
            }
          >
            <BehaviourSection key={id} node={id} data={node.data} known={known} onChange={put} />
          </Fold>
        )}
        {parents.length > 0 && type !== 'trigger' && (
          <Field label={t.editor.inside}>
            {(ids) => (
              <Select
                {...ids}
                value={node.parentId ?? ''}
                options={[
                  { value: '', label: t.editor.insideNothing },
                  ...parents.map((one) => ({ value: one.id, label: str(one.data['title']) || one.id })),
                ]}
                onChange={(parent) => store.getState().putInside(id, parent === '' ? null : parent)}
              />
            )}
          </Field>
        )}
        <Fold title={t.editor.connections} count={0}>
          <ConnectionsSection node={node} known={known} />
        </Fold>
        {known &&
          strange.map((name) => (
            <div key={name} data-field={name}>
              <p className="mb-1 flex items-center text-sm font-medium">
                <code className="code flex-1">{name}</code>
                <IconButton size="sm" icon="trash" label={t.common.remove} onClick={() => put(name, undefined)} />
              </p>
              <JsonView value={node.data[name] ?? null} label={name} />
              <p className="mt-1 text-xs text-madder">{t.editor.unknownField}</p>
            </div>
          ))}
        <Field label={t.editor.notes}>
          {(ids) => (
            <TextArea
              {...ids}
              rows={2}
              value={str(node.data['notes'])}
              onChange={(event) => put('notes', event.target.value === '' ? undefined : event.target.value)}
            />
          )}
        </Field>
      </div>
    </div>
  );
}

function Fold({ title, count, children }: { title: string; count: number; children: React.ReactNode }) {
  return (
    <details className="group border-t pt-3">
      <summary className="-mx-1 flex list-none items-center gap-1.5 rounded-sm px-1 py-1 text-sm font-medium">
        <Icon name="chevron" size={14} className="text-ink-3 transition-transform group-open:rotate-90" />
        {title}
        {count > 0 && <span className="ml-auto rounded-full bg-indigo-soft px-1.5 text-xs text-indigo">{count}</span>}
      </summary>
      <div className="space-y-4 pt-3">{children}</div>
    </details>
  );
}

/** The node's id, by which templates name it; renaming takes templates and edges along. */
function NodeId({ id }: { id: string }) {
  const t = useT();
  const { store } = useShared();
  const [text, setText] = useState(id);
  const [bad, setBad] = useState(false);
  const rename = () => {
    if (text === id) return setBad(false);
    setBad(!store.getState().renameNode(id, text));
  };
  return (
    <Field label={<span data-tip={t.editor.idHelp(id)}>{t.editor.id}</span>} error={bad ? t.editor.badId : undefined}>
      {(ids) => (
        <TextInput
          {...ids}
          className="code"
          value={text}
          onChange={(event) => setText(event.target.value)}
          onBlur={rename}
          onKeyDown={(event) => {
            if (event.key === 'Enter') rename();
          }}
        />
      )}
    </Field>
  );
}
