// Tooltips for everything that carries data-tip: one layer for the whole console, shown on hover and keyboard focus.
import { useEffect, useRef } from 'react';
import { placeBox } from '@/ui/popover';

const DELAY_MS = 450;

export function TipLayer() {
  const ref = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const box = ref.current;
    if (!box) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let target: Element | null = null;

    const hide = () => {
      clearTimeout(timer);
      target = null;
      if (box.matches(':popover-open')) box.hidePopover();
    };
    const show = (at: Element) => {
      const text = at.getAttribute('data-tip');
      if (!text || !at.isConnected) return;
      box.textContent = text;
      box.showPopover();
      const size = { width: box.offsetWidth, height: box.offsetHeight };
      const rect = at.getBoundingClientRect();
      const place = placeBox(rect, size, { width: window.innerWidth, height: window.innerHeight }, 'start');
      const middle = rect.left + rect.width / 2 - size.width / 2;
      box.style.left = `${Math.max(8, Math.min(middle, window.innerWidth - size.width - 8))}px`;
      box.style.top = `${place.top}px`;
    };
    const over = (event: Event, delay: number) => {
      const at = event.target instanceof Element ? event.target.closest('[data-tip]') : null;
      if (at === target) return;
      hide();
      target = at;
      if (at) timer = setTimeout(() => show(at), delay);
    };
    const onOver = (event: PointerEvent) => {
      if (event.pointerType === 'mouse') over(event, DELAY_MS);
    };
    const onFocus = (event: FocusEvent) => {
      if (event.target instanceof Element && event.target.matches(':focus-visible')) over(event, 0);
    };
    document.addEventListener('pointerover', onOver);
    document.addEventListener('focusin', onFocus);
    for (const kind of ['pointerdown', 'keydown', 'scroll', 'focusout'] as const)
      document.addEventListener(kind, hide, true);
    return () => {
      hide();
      document.removeEventListener('pointerover', onOver);
      document.removeEventListener('focusin', onFocus);
      for (const kind of ['pointerdown', 'keydown', 'scroll', 'focusout'] as const)
        document.removeEventListener(kind, hide, true);
    };
  }, []);

  return (
    <div
      ref={ref}
      popover="manual"
      aria-hidden="true"
      className="pointer-events-none fixed! max-w-72 rounded-sm bg-ink! px-2! py-1! text-xs whitespace-pre-wrap text-linen! shadow-md"
    />
  );
}
