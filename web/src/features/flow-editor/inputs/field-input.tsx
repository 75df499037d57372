// One setting, by the kind the server says it has; objects and lists hold further ones.
import type { FieldType, Json, JsonObject } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { fieldHelp, fieldTitle, optionTitle } from '@/flow/names';
import { arr, obj, str } from '@/flow/model';
import { Button, IconButton } from '@/ui/button';
import { Field, Segmented, Select, Switch, TextArea, TextInput, type FieldIds } from '@/ui/field';
import { useFieldProblems } from '@/features/flow-editor/editor-context';
import { JsonInput, ValueInput } from '@/features/flow-editor/inputs/json-input';
import { MapInput } from '@/features/flow-editor/inputs/map-input';
import { ListInput, NumberInput, SecretInput, SpanInput } from '@/features/flow-editor/inputs/plain-inputs';
import { TemplateInput } from '@/features/flow-editor/inputs/template-input';
import { isShown, withField } from '@/features/flow-editor/nodes/meta';
import { SPECIAL } from '@/features/flow-editor/nodes/special';

export interface FieldInputProps {
  node: string;
  /** Where it stands, for words: "trigger.webhook.secret". */
  words: string;
  /** Where it stands, for problems: "webhook/secret". */
  path: string;
  field: FieldType;
  data: JsonObject;
  onChange: (value: Json | undefined) => void;
}

const NESTED = new Set(['object', 'list']);

export function FieldInput(props: FieldInputProps) {
  const { node, words, path, field } = props;
  const t = useT();
  const problems = useFieldProblems(node, path);
  const Special = SPECIAL[words];
  // What holds further fields shows only its own problems; theirs are shown by them.
  const own = Special || NESTED.has(field.kind) ? problems.filter((problem) => problem.field === path) : problems;
  return (
    <div data-field={path}>
      <Field
        label={fieldTitle(words, field, t)}
        hint={fieldHelp(words, field, t)}
        required={field.required}
        error={own.find((problem) => !problem.warning)?.message}
        warning={own.find((problem) => problem.warning)?.message}
      >
        {(ids) => (Special ? <Special {...props} ids={ids} problems={problems} /> : <Plain {...props} ids={ids} />)}
      </Field>
    </div>
  );
}

function Plain(props: FieldInputProps & { ids: FieldIds }) {
  const { node, words, field, data, onChange, ids } = props;
  const t = useT();
  const value = data[field.name];
  const preset = field.default === undefined ? undefined : String(field.default);
  const title = fieldTitle(words, field, t);
  switch (field.kind) {
    case 'template':
      if (field.secret) return <SecretInput ids={ids} value={value} placeholder={preset} onChange={onChange} />;
      return (
        <TemplateInput
          node={node}
          ids={ids}
          value={str(value)}
          placeholder={preset}
          lines={field.lines ? 4 : 1}
          onChange={(text) => onChange(text === '' ? undefined : text)}
        />
      );
    case 'value':
      return (
        <ValueInput node={node} ids={ids} value={value} onChange={onChange} prefer={field.lines ? 'json' : 'text'} />
      );
    case 'map':
      return (
        <MapInput
          node={node}
          value={obj(value)}
          onChange={onChange}
          keyLabel={t.editor.name}
          valueLabel={t.editor.value}
        />
      );
    case 'integer':
    case 'number':
      return (
        <NumberInput
          ids={ids}
          value={value}
          placeholder={preset}
          whole={field.kind === 'integer'}
          onChange={onChange}
        />
      );
    case 'boolean':
      return (
        <Switch
          id={ids.id}
          checked={typeof value === 'boolean' ? value : field.default === true}
          label={title}
          onChange={(on) => onChange(on === (field.default === true) ? undefined : on)}
        />
      );
    case 'enum':
      return <Choice {...props} />;
    case 'span':
      return <SpanInput ids={ids} value={value} placeholder={preset} onChange={onChange} />;
    case 'strings':
      return <ListInput ids={ids} value={value} placeholder={t.editor.onePerLine} onChange={onChange} />;
    case 'json':
    case 'schema':
      return <JsonInput node={node} ids={ids} value={value} onChange={onChange} />;
    case 'object':
      return (
        <ObjectInput
          {...props}
          value={obj(value)}
          onChange={(next) => onChange(Object.keys(next).length > 0 ? next : undefined)}
        />
      );
    case 'list':
      return <ObjectList {...props} />;
    default:
      if (field.secret) return <SecretInput ids={ids} value={value} placeholder={preset} onChange={onChange} />;
      if (field.lines)
        return (
          <TextArea
            {...ids}
            value={str(value)}
            placeholder={preset}
            onChange={(event) => onChange(event.target.value === '' ? undefined : event.target.value)}
          />
        );
      return (
        <TextInput
          {...ids}
          value={typeof value === 'number' ? String(value) : str(value)}
          placeholder={preset}
          onChange={(event) =>
            onChange(event.target.value === '' && preset === undefined ? undefined : event.target.value)
          }
        />
      );
  }
}

const SEGMENTS_MAX = 3;

function Choice({ words, field, data, onChange, ids }: FieldInputProps & { ids: FieldIds }) {
  const t = useT();
  const options = (field.one_of ?? []).map((option) => ({ value: option, label: optionTitle(words, option, t) }));
  const preset = typeof field.default === 'string' ? field.default : '';
  const now = str(data[field.name]) || preset;
  if (options.length <= SEGMENTS_MAX && now !== '')
    return <Segmented label={fieldTitle(words, field, t)} value={now} options={options} onChange={onChange} />;
  return (
    <Select
      {...ids}
      value={now}
      options={now === '' ? [{ value: '', label: '–' }, ...options] : options}
      onChange={onChange}
    />
  );
}

interface ObjectInputProps extends Omit<FieldInputProps, 'onChange' | 'data'> {
  value: JsonObject;
  onChange: (value: JsonObject) => void;
}

function ObjectInput({ node, words, path, field, value, onChange }: ObjectInputProps) {
  const fields = field.fields ?? [];
  return (
    <div className="space-y-3 rounded-md border bg-surface p-3">
      {fields
        .filter((one) => isShown(words, one, fields, value))
        .map((one) => (
          <FieldInput
            key={one.name}
            node={node}
            words={`${words}.${one.name}`}
            path={`${path}/${one.name}`}
            field={one}
            data={value}
            onChange={(next) => onChange(withField(fields, value, one.name, next))}
          />
        ))}
    </div>
  );
}

function ObjectList(props: FieldInputProps) {
  const { field, data, path, onChange } = props;
  const t = useT();
  const list = arr(data[field.name]).map(obj);
  const put = (next: JsonObject[]) => onChange(next.length > 0 ? next : undefined);
  const blank = Object.fromEntries(
    (field.fields ?? []).filter((one) => one.required).map((one) => [one.name, one.one_of?.[0] ?? one.default ?? '']),
  );
  return (
    <div className="space-y-2">
      {list.map((value, i) => (
        <div key={i} className="relative">
          <ObjectInput
            {...props}
            path={`${path}/${i}`}
            value={value}
            onChange={(next) => put(list.map((one, at) => (at === i ? next : one)))}
          />
          <IconButton
            size="sm"
            icon="trash"
            label={t.common.remove}
            className="absolute! top-2 right-2"
            onClick={() => put(list.filter((_, at) => at !== i))}
          />
        </div>
      ))}
      <Button kind="quiet" size="sm" icon="plus" onClick={() => put([...list, blank])}>
        {t.common.add}
      </Button>
    </div>
  );
}
