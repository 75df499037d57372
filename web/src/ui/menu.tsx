// A menu of actions after the WAI-ARIA pattern: arrows move, Enter chooses, Escape closes.
import { useEffect, useRef, type KeyboardEvent, type ReactNode } from 'react';
import { cx } from '@/lib/cx';
import { IconButton } from '@/ui/button';
import { Icon, type IconName } from '@/ui/icon';
import { Popover, usePopover } from '@/ui/popover';

export interface MenuItem {
  label: string;
  icon?: IconName;
  danger?: boolean;
  disabled?: boolean;
  checked?: boolean;
  keys?: string;
  onSelect: () => void;
}

export type MenuEntry = MenuItem | 'line' | { heading: string };

interface MenuProps {
  items: MenuEntry[];
  label: string;
  icon?: IconName;
  align?: 'start' | 'end';
  size?: 'sm' | 'md';
  /** What opens the menu instead of an icon button. */
  trigger?: (props: {
    ref: React.Ref<HTMLButtonElement>;
    onClick: () => void;
    'aria-haspopup': 'menu';
    'aria-expanded': boolean;
  }) => ReactNode;
}

export function Menu({ items, label, icon = 'dots', align = 'end', size = 'md', trigger }: MenuProps) {
  const { anchor, open, setOpen, close } = usePopover();
  const props = { ref: anchor, onClick: () => setOpen(!open), 'aria-haspopup': 'menu' as const, 'aria-expanded': open };
  return (
    <>
      {trigger ? trigger(props) : <IconButton icon={icon} label={label} size={size} {...props} />}
      <Popover anchor={anchor} open={open} onClose={close} align={align}>
        <MenuList
          items={items}
          label={label}
          onDone={() => {
            close();
            anchor.current?.focus();
          }}
        />
      </Popover>
    </>
  );
}

function MenuList({ items, label, onDone }: { items: MenuEntry[]; label: string; onDone: () => void }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    ref.current?.querySelector<HTMLElement>('[role^=menuitem]:not(:disabled)')?.focus();
  }, []);

  const onKeyDown = (event: KeyboardEvent) => {
    const all = [...(ref.current?.querySelectorAll<HTMLElement>('[role^=menuitem]:not(:disabled)') ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      all[(to + all.length) % all.length]?.focus();
    } else if (event.key === 'Escape' || event.key === 'Tab') {
      event.preventDefault();
      event.stopPropagation();
      onDone();
    }
  };

  return (
    <div
      ref={ref}
      role="menu"
      aria-label={label}
      onKeyDown={onKeyDown}
      className="max-h-[70dvh] min-w-44 overflow-y-auto p-1"
    >
      {items.map((item, i) => {
        if (item === 'line') return <div key={i} role="separator" className="my-1 border-t" />;
        if ('heading' in item)
          return (
            <div key={i} className="px-2 pt-1.5 pb-1 text-xs text-ink-3">
              {item.heading}
            </div>
          );
        return (
          <button
            key={i}
            type="button"
            role={item.checked === undefined ? 'menuitem' : 'menuitemradio'}
            aria-checked={item.checked}
            disabled={item.disabled}
            tabIndex={-1}
            onClick={() => {
              onDone();
              item.onSelect();
            }}
            className={cx(
              'flex w-full items-center gap-2.5 rounded-sm px-2 py-1.5 text-left text-sm focus-visible:outline-none',
              'hover:bg-ink/7 focus:bg-ink/7 disabled:opacity-45',
              item.danger && 'text-madder',
            )}
          >
            {item.icon ? (
              <Icon name={item.icon} size={16} className={item.danger ? undefined : 'text-ink-3'} />
            ) : (
              item.checked !== undefined && (
                <span className="size-4">{item.checked && <Icon name="check" size={16} />}</span>
              )
            )}
            <span className="flex-1">{item.label}</span>
            {item.icon && item.checked && <Icon name="check" size={14} />}
            {item.keys && <kbd className="text-xs text-ink-3">{item.keys}</kbd>}
          </button>
        );
      })}
    </div>
  );
}
