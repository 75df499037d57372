// One field of a form that a JSON Schema describes.
import { useT } from '@/i18n/i18n';
import { Field, Select, Switch, TextArea, TextInput } from '@/ui/field';
import { formInput, type InputField } from '@/run/input-schema';

interface FormFieldProps {
  field: InputField;
  value: string | boolean | undefined;
  onChange: (value: string | boolean) => void;
}

export function FormField({ field, value, onChange }: FormFieldProps) {
  const t = useT();
  const text = typeof value === 'string' ? value : '';
  if (field.kind === 'boolean')
    return (
      <Field label={field.title} hint={field.help}>
        {(ids) => <Switch id={ids.id} checked={value === true} onChange={onChange} label={field.title} />}
      </Field>
    );
  const bad =
    text !== '' &&
    (field.kind === 'number' || field.kind === 'integer') &&
    formInput([field], { [field.name]: text }) === null;
  return (
    <Field
      label={field.title}
      hint={field.help}
      required={field.required}
      error={bad ? t.common.notANumber : undefined}
    >
      {(ids) => {
        if (field.kind === 'enum')
          return (
            <Select
              {...ids}
              value={text}
              onChange={onChange}
              options={[
                ...(field.required ? [] : [{ value: '', label: '–' }]),
                ...field.options.map((option) => ({ value: option, label: option })),
              ]}
            />
          );
        if (field.kind === 'text')
          return <TextArea {...ids} value={text} onChange={(event) => onChange(event.target.value)} />;
        const mode =
          field.kind === 'number' || field.kind === 'integer'
            ? 'decimal'
            : field.format === 'email'
              ? 'email'
              : undefined;
        return <TextInput {...ids} value={text} inputMode={mode} onChange={(event) => onChange(event.target.value)} />;
      }}
    </Field>
  );
}
