// Something that hangs from a button: on the browser's popover, so it lies above all and closes by itself.
import { useCallback, useEffect, useLayoutEffect, useRef, useState, type ReactNode, type RefObject } from 'react';
import { cx } from '@/lib/cx';

/** Where a box of @size goes next to @anchor: below if there is room, else above; kept inside the window. */
export function placeBox(
  anchor: DOMRect,
  size: { width: number; height: number },
  window: { width: number; height: number },
  align: 'start' | 'end',
): { left: number; top: number } {
  const gap = 4;
  const below = anchor.bottom + gap;
  const above = anchor.top - gap - size.height;
  const top = below + size.height <= window.height || above < 8 ? below : above;
  const left = align === 'start' ? anchor.left : anchor.right - size.width;
  return {
    left: Math.max(8, Math.min(left, window.width - size.width - 8)),
    top: Math.max(8, Math.min(top, window.height - size.height - 8)),
  };
}

interface PopoverProps {
  anchor: RefObject<HTMLElement | null>;
  open: boolean;
  onClose: () => void;
  align?: 'start' | 'end';
  className?: string;
  children: ReactNode;
}

export function Popover({ anchor, open, onClose, align = 'start', className, children }: PopoverProps) {
  const ref = useRef<HTMLDivElement>(null);

  useLayoutEffect(() => {
    const box = ref.current;
    const at = anchor.current;
    if (!open || !box || !at) return;
    if (!box.matches(':popover-open')) box.showPopover();
    const place = () => {
      const { left, top } = placeBox(
        at.getBoundingClientRect(),
        { width: box.offsetWidth, height: box.offsetHeight },
        { width: window.innerWidth, height: window.innerHeight },
        align,
      );
      box.style.left = `${left}px`;
      box.style.top = `${top}px`;
    };
    place();
    const watch = new ResizeObserver(place);
    watch.observe(box);
    window.addEventListener('resize', place);
    return () => {
      watch.disconnect();
      window.removeEventListener('resize', place);
    };
  }, [open, anchor, align]);

  useEffect(() => {
    const box = ref.current;
    if (!box || !open) return;
    const onToggle = (event: ToggleEvent) => {
      if (event.newState === 'closed') onClose();
    };
    box.addEventListener('toggle', onToggle);
    return () => box.removeEventListener('toggle', onToggle);
  }, [open, onClose]);

  if (!open) return null;
  return (
    <div
      ref={ref}
      popover="auto"
      className={cx('fixed! z-50 rounded-lg border! border-line bg-raised! text-ink! shadow-lg', className)}
    >
      {children}
    </div>
  );
}

/** State of a popover and the ref of what it hangs from. */
export function usePopover<T extends HTMLElement = HTMLButtonElement>() {
  const anchor = useRef<T>(null);
  const [open, setOpen] = useState(false);
  const close = useCallback(() => setOpen(false), []);
  return { anchor, open, setOpen, close };
}
