// A new workflow: from one of the starting points, or from a file.
import { useRef, useState, type DragEvent } from 'react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from 'react-router';
import { ApiProblem } from '@/api/problem';
import type { Definition } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { isDefinition } from '@/flow/model';
import { createWorkflow } from '@/flow/workflows';
import { cx } from '@/lib/cx';
import { tryParse } from '@/lib/json';
import { Dialog } from '@/ui/dialog';
import { Icon } from '@/ui/icon';
import { ProblemNotice } from '@/ui/problem';
import { Spinner } from '@/ui/spinner';
import { FlowSketch } from '@/features/workflows/flow-sketch';
import { STARTERS } from '@/features/workflows/starters';

/** As the format's own limit on the text of a definition. */
const FILE_MAX = 4 << 20;

export function NewDialog({ onClose }: { onClose: () => void }) {
  const t = useT();
  const navigate = useNavigate();
  const cache = useQueryClient();
  const file = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const create = useMutation({
    mutationFn: createWorkflow,
    onSuccess: (workflow) => {
      void cache.invalidateQueries({ queryKey: ['workflows'] });
      void navigate(`/workflows/${workflow.id}`);
    },
  });
  const load = useMutation({
    mutationFn: async (chosen: File): Promise<Definition> => {
      const refuse = (detail: string) => new ApiProblem(400, { code: 'bad_file', detail });
      if (chosen.size > FILE_MAX) throw refuse(t.workflows.import.tooLarge);
      const parsed = tryParse(await chosen.text());
      if (!parsed.ok) throw refuse(t.common.jsonError(parsed.message, parsed.line));
      if (!isDefinition(parsed.value)) throw refuse(t.workflows.import.notOne);
      return parsed.value;
    },
    onSuccess: (definition) => create.mutate(definition),
  });
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const dropped = event.dataTransfer.files[0];
    if (dropped) load.mutate(dropped);
  };
  const error = load.error ?? create.error;
  const busy = create.isPending || load.isPending;

  return (
    <Dialog open shape="wide" title={t.workflows.new} onClose={onClose}>
      <div className="space-y-5 p-5" aria-busy={busy}>
        {error && <ProblemNotice compact error={error} />}
        <ul className="grid gap-3 sm:grid-cols-2 lg:grid-cols-3">
          {STARTERS.map(({ id, make }) => {
            const definition = make(t.starters);
            return (
              <li key={id}>
                <button
                  type="button"
                  disabled={busy}
                  onClick={() => create.mutate(definition)}
                  className="flex h-full w-full flex-col rounded-lg border bg-raised p-4 text-left shadow-sm transition-[border-color,box-shadow] hover:border-indigo hover:shadow-md disabled:opacity-60"
                >
                  <FlowSketch definition={definition} />
                  <span className="mt-3 flex items-center gap-2 font-medium">
                    {t.starters[id].title}
                    {create.isPending && create.variables === definition && <Spinner size={14} />}
                  </span>
                  <span className="mt-0.5 text-sm text-ink-2">{t.starters[id].text}</span>
                </button>
              </li>
            );
          })}
          <li>
            <button
              type="button"
              disabled={busy}
              onClick={() => file.current?.click()}
              onDrop={onDrop}
              onDragOver={(event) => {
                event.preventDefault();
                setOver(true);
              }}
              onDragLeave={() => setOver(false)}
              className={cx(
                'flex h-full min-h-36 w-full flex-col items-center justify-center rounded-lg border border-dashed p-4 text-center',
                over ? 'border-indigo bg-indigo-soft' : 'border-edge hover:border-indigo',
              )}
            >
              {load.isPending ? <Spinner /> : <Icon name="upload" className="text-ink-3" size={22} />}
              <span className="mt-2 font-medium">{t.workflows.import.title}</span>
              <span className="mt-0.5 text-sm text-ink-2">{t.workflows.import.text}</span>
            </button>
            <input
              ref={file}
              type="file"
              accept=".json,application/json"
              hidden
              onChange={(event) => {
                const chosen = event.target.files?.[0];
                event.target.value = '';
                if (chosen) load.mutate(chosen);
              }}
            />
          </li>
        </ul>
      </div>
    </Dialog>
  );
}
