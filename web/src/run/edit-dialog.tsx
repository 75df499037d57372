// A run again with another result of one step: what is behind the step runs anew, the rest is kept.
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { asProblem } from '@/api/problem';
import type { Json, Run } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { pretty, tryParse } from '@/lib/json';
import { Button } from '@/ui/button';
import { CodeArea } from '@/ui/code-area';
import { Dialog } from '@/ui/dialog';
import { Field } from '@/ui/field';
import { ProblemNotice } from '@/ui/problem';
import { useRerun } from '@/run/queries';

interface EditDialogProps {
  run: Run;
  node: string;
  title: string;
  output: Json;
  onClose: () => void;
}

export function EditDialog({ run, node, title, output, onClose }: EditDialogProps) {
  const t = useT();
  const navigate = useNavigate();
  const rerun = useRerun(run.id);
  const [text, setText] = useState(() => pretty(output));
  const parsed = tryParse(text);
  const go = () => {
    if (!parsed.ok || rerun.isPending) return;
    rerun.mutate(
      { edits: { [node]: parsed.value as Json } },
      { onSuccess: (next) => void navigate(`/runs/${next.id}`) },
    );
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={t.run.editTitle(title)}
      footer={
        <>
          <Button onClick={onClose}>{t.common.cancel}</Button>
          <Button kind="primary" icon="play" busy={rerun.isPending} disabled={!parsed.ok} onClick={go}>
            {t.run.editGo}
          </Button>
        </>
      }
    >
      <div className="space-y-3 p-5">
        <Field
          label={t.run.output}
          hint={t.run.editHelp}
          error={parsed.ok ? undefined : t.common.jsonError(parsed.message, parsed.line)}
        >
          {(ids) => (
            <CodeArea
              {...ids}
              language="json"
              numbered
              value={text}
              onChange={setText}
              badLine={parsed.ok ? undefined : parsed.line}
              boxClassName="h-72"
            />
          )}
        </Field>
        {rerun.error && <ProblemNotice compact error={asProblem(rerun.error)} />}
      </div>
    </Dialog>
  );
}
