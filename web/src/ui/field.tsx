// Form fields: a label, one input, help, an error; tied together for screen readers.
import {
  useId,
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
} from 'react';
import { cx } from '@/lib/cx';
import { Icon } from '@/ui/icon';

export interface FieldIds {
  id: string;
  'aria-describedby'?: string;
  'aria-invalid'?: true;
}

interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
  warning?: ReactNode;
  required?: boolean;
  /** Stands at the right of the label. */
  aside?: ReactNode;
  children: (ids: FieldIds) => ReactNode;
  className?: string;
}

export function Field({ label, hint, error, warning, required, aside, children, className }: FieldProps) {
  const id = useId();
  const note = error ?? warning;
  const ids: FieldIds = {
    id,
    'aria-describedby': hint || note ? `${id}-note` : undefined,
    'aria-invalid': error ? true : undefined,
  };
  return (
    <div className={cx('min-w-0', className)}>
      <div className="mb-1 flex min-h-5 items-center gap-2">
        <label htmlFor={id} className="min-w-0 flex-1 text-sm font-medium text-ink">
          {label}
          {required && (
            <span className="ml-0.5 text-madder" aria-hidden="true">
              *
            </span>
          )}
        </label>
        {aside}
      </div>
      {children(ids)}
      {(hint || note) && (
        <div id={`${id}-note`} className="mt-1 text-xs">
          {note && (
            <p className={cx('flex gap-1', error ? 'text-madder' : 'text-weld')}>
              <Icon name="alert" size={13} className="mt-px" /> <span className="min-w-0 break-words">{note}</span>
            </p>
          )}
          {hint && <p className="text-ink-3">{hint}</p>}
        </div>
      )}
    </div>
  );
}

export function TextInput({ className, ...rest }: InputHTMLAttributes<HTMLInputElement>) {
  return <input type="text" autoComplete="off" spellCheck={false} className={cx('input', className)} {...rest} />;
}

export function TextArea({ className, ...rest }: TextareaHTMLAttributes<HTMLTextAreaElement>) {
  return <textarea className={cx('input min-h-18 resize-y', className)} {...rest} />;
}

interface SelectProps extends Omit<SelectHTMLAttributes<HTMLSelectElement>, 'onChange'> {
  options: { value: string; label: string }[];
  onChange: (value: string) => void;
}

export function Select({ options, onChange, className, ...rest }: SelectProps) {
  return (
    <select className={cx('input', className)} onChange={(event) => onChange(event.target.value)} {...rest}>
      {options.map((option) => (
        <option key={option.value} value={option.value}>
          {option.label}
        </option>
      ))}
    </select>
  );
}

interface SwitchProps {
  checked: boolean;
  onChange: (checked: boolean) => void;
  id?: string;
  label?: string;
  disabled?: boolean;
}

export function Switch({ checked, onChange, label, ...rest }: SwitchProps) {
  return (
    <button
      type="button"
      role="switch"
      aria-checked={checked}
      aria-label={label}
      onClick={() => onChange(!checked)}
      {...rest}
      className={cx(
        'relative h-5 w-9 shrink-0 rounded-full border transition-colors disabled:opacity-50',
        checked ? 'border-indigo bg-indigo' : 'border-edge bg-sunken',
      )}
    >
      <span
        className={cx(
          'absolute top-[2px] left-[2px] size-3.5 rounded-full transition-transform',
          checked ? 'translate-x-4 bg-on-indigo' : 'bg-ink-2',
        )}
      />
    </button>
  );
}

interface SegmentedProps<T extends string> {
  value: T;
  options: { value: T; label: string }[];
  onChange: (value: T) => void;
  label: string;
  className?: string;
}

export function Segmented<T extends string>({ value, options, onChange, label, className }: SegmentedProps<T>) {
  const name = useId();
  return (
    <fieldset className={cx('inline-flex max-w-full flex-wrap rounded-md border bg-sunken p-0.5', className)}>
      <legend className="sr-only">{label}</legend>
      {options.map((option) => (
        <label
          key={option.value}
          className={cx(
            'relative cursor-pointer rounded-[4px] px-2.5 py-1 text-center text-sm whitespace-nowrap transition-colors has-focus-visible:outline-2 has-focus-visible:outline-indigo',
            value === option.value ? 'bg-raised font-medium text-ink shadow-sm' : 'text-ink-2 hover:text-ink',
          )}
        >
          <input
            type="radio"
            name={name}
            className="sr-only"
            checked={value === option.value}
            onChange={() => onChange(option.value)}
          />
          {option.label}
        </label>
      ))}
    </fieldset>
  );
}
