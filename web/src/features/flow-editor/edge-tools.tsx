// On a selected edge: put a node into it, or take it away.
import { useReactFlow } from '@xyflow/react';
import { useT } from '@/i18n/i18n';
import { IconButton } from '@/ui/button';
import { Popover, usePopover } from '@/ui/popover';
import { useShared } from '@/features/flow-editor/editor-context';
import { Palette } from '@/features/flow-editor/palette';

interface EdgeButtonsProps {
  id: string;
  onInsert: (type: string, edge: string) => void;
}

export function EdgeButtons({ id, onInsert }: EdgeButtonsProps) {
  const t = useT();
  const { store } = useShared();
  const { deleteElements } = useReactFlow();
  const { anchor, open, setOpen, close } = usePopover<HTMLDivElement>();
  return (
    <div ref={anchor} className="flex rounded-md border bg-raised shadow-md">
      <IconButton size="sm" icon="plus" label={t.editor.insertHere} onClick={() => setOpen(!open)} />
      <IconButton
        size="sm"
        icon="x"
        label={t.editor.removeEdge}
        onClick={() => void deleteElements({ edges: [{ id }] })}
      />
      <Popover anchor={anchor} open={open} onClose={close}>
        <div className="flex h-96 max-h-[60dvh] w-72 flex-col">
          <Palette
            hasTrigger={store.getState().nodes.some((node) => node.type === 'trigger')}
            autoFocus
            onPick={(type) => {
              close();
              onInsert(type, id);
            }}
          />
        </div>
      </Popover>
    </div>
  );
}
