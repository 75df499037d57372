// The definition as text, in place of the canvas: what parses and looks like a definition is taken over at once.
import { useState } from 'react';
import { useStore } from 'zustand';
import { useT } from '@/i18n/i18n';
import { isDefinition, toDefinition } from '@/flow/model';
import { downloadText } from '@/lib/clipboard';
import { pretty, sameJson, tryParse } from '@/lib/json';
import { Button } from '@/ui/button';
import { CodeArea } from '@/ui/code-area';
import { CopyButton } from '@/ui/copy-button';
import { Icon } from '@/ui/icon';
import { useShared } from '@/features/flow-editor/editor-context';

export function fileName(name: string): string {
  return `${
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '') || 'workflow'
  }.json`;
}

export function JsonPane() {
  const t = useT();
  const { store } = useShared();
  const edit = useStore(store, (state) => state.edit);
  const [text, setText] = useState(() => pretty(toDefinition(store.getState())));
  const [seen, setSeen] = useState(edit);
  const parsed = tryParse(text);
  if (edit !== seen) {
    setSeen(edit);
    const now = toDefinition(store.getState());
    if (!parsed.ok || !sameJson(parsed.value, now)) setText(pretty(now));
  }
  const wrong = !parsed.ok
    ? t.common.jsonError(parsed.message, parsed.line)
    : isDefinition(parsed.value)
      ? null
      : t.editor.notADefinition;

  return (
    <div className="flex size-full flex-col bg-linen">
      <div className="flex items-center gap-2 border-b px-4 py-2">
        <p className="flex min-w-0 flex-1 items-center gap-1.5 text-sm">
          {wrong ? (
            <>
              <Icon name="alert" size={15} className="text-madder" />
              <span className="truncate text-madder">{wrong}</span>
            </>
          ) : (
            <span className="truncate text-ink-3">{t.editor.jsonHelp}</span>
          )}
        </p>
        <CopyButton text={text} label={t.common.copy} />
        <Button size="sm" icon="download" onClick={() => downloadText(fileName(store.getState().meta.name), text)}>
          {t.common.download}
        </Button>
      </div>
      <CodeArea
        language="json"
        numbered
        value={text}
        badLine={parsed.ok ? undefined : parsed.line}
        aria-label={t.editor.json}
        boxClassName="flex-1 rounded-none! border-0!"
        onChange={(next) => {
          setText(next);
          const now = tryParse(next);
          if (!now.ok || !isDefinition(now.value)) return;
          store.getState().replace(now.value, 'json');
        }}
      />
    </div>
  );
}
