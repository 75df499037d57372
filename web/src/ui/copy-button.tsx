import { useEffect, useState } from 'react';
import { useT } from '@/i18n/i18n';
import { copyText } from '@/lib/clipboard';
import { Button, IconButton } from '@/ui/button';

/** Copies @text and says so for a moment; with @label it is a button with text. */
export function CopyButton({ text, label }: { text: string | (() => string); label?: string }) {
  const t = useT();
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () => void copyText(typeof text === 'string' ? text : text()).then(setDone);
  const icon = done ? 'check' : 'copy';
  if (label)
    return (
      <Button size="sm" icon={icon} onClick={copy}>
        {done ? t.common.copied : label}
      </Button>
    );
  return <IconButton size="sm" icon={icon} label={done ? t.common.copied : t.common.copy} onClick={copy} />;
}
