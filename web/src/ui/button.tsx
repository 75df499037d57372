// Buttons and links that look like them.
import type { ButtonHTMLAttributes, ComponentProps, Ref } from 'react';
import { Link } from 'react-router';
import { cx } from '@/lib/cx';
import { Icon, type IconName } from '@/ui/icon';
import { Spinner } from '@/ui/spinner';

type Look = 'primary' | 'secondary' | 'quiet' | 'danger';
type Size = 'sm' | 'md';

const LOOKS: Record<Look, string> = {
  primary: 'bg-indigo text-on-indigo hover:bg-indigo-strong border-transparent shadow-sm',
  secondary: 'bg-raised text-ink border-edge/60 hover:border-edge hover:bg-surface shadow-sm',
  quiet: 'bg-transparent text-ink-2 border-transparent hover:bg-ink/7 hover:text-ink',
  danger: 'bg-raised text-madder border-madder/40 hover:bg-madder-soft hover:border-madder',
};

function look(kind: Look, size: Size, className?: string) {
  return cx(
    'inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md border font-medium whitespace-nowrap select-none transition-colors',
    'disabled:opacity-50 disabled:shadow-none',
    size === 'sm' ? 'h-7 px-2 text-sm' : 'h-9 px-3.5 text-base',
    LOOKS[kind],
    className,
  );
}

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: Look;
  size?: Size;
  icon?: IconName;
  busy?: boolean;
  ref?: Ref<HTMLButtonElement>;
}

export function Button({
  kind = 'secondary',
  size = 'md',
  icon,
  busy,
  className,
  children,
  disabled,
  ...rest
}: ButtonProps) {
  return (
    <button
      type="button"
      className={look(kind, size, className)}
      disabled={disabled ?? busy}
      aria-busy={busy ?? undefined}
      {...rest}
    >
      {busy ? (
        <Spinner size={16} />
      ) : (
        icon && <Icon name={icon} size={16} className={children ? '-ml-0.5' : undefined} />
      )}
      {children}
    </button>
  );
}

interface ButtonLinkProps extends ComponentProps<typeof Link> {
  kind?: Look;
  size?: Size;
  icon?: IconName;
}

export function ButtonLink({ kind = 'secondary', size = 'md', icon, className, children, ...rest }: ButtonLinkProps) {
  return (
    <Link className={look(kind, size, className)} {...rest}>
      {icon && <Icon name={icon} size={16} className="-ml-0.5" />}
      {children}
    </Link>
  );
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  icon: IconName;
  /** Its name for readers of the screen, and its tooltip. */
  label: string;
  /** A keyboard shortcut to show in the tooltip. */
  keys?: string;
  pressed?: boolean;
  size?: Size;
  ref?: Ref<HTMLButtonElement>;
}

export function IconButton({ icon, label, keys, pressed, size = 'md', className, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      aria-label={label}
      data-tip={keys ? `${label}  ${keys}` : label}
      aria-pressed={pressed}
      className={cx(
        'inline-flex shrink-0 items-center justify-center rounded-md text-ink-2 transition-colors',
        'hover:bg-ink/7 hover:text-ink disabled:opacity-40 disabled:hover:bg-transparent',
        'aria-pressed:bg-indigo-soft aria-pressed:text-indigo',
        size === 'sm' ? 'size-7' : 'size-9',
        className,
      )}
      {...rest}
    >
      <Icon name={icon} size={size === 'sm' ? 16 : 18} />
    </button>
  );
}
