// A run again with another result of one step: what is behind the step runs anew, the rest is kept.
import { useNavigate } from 'react-router';
import { asProblem } from '@/api/problem';
import type { Json, Run } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { pretty } from '@/lib/json';
import { Button } from '@/ui/button';
import { Dialog } from '@/ui/dialog';
import { JsonField, useJsonText } from '@/ui/json-field';
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
  const body = useJsonText(() => pretty(output));
  const go = () => {
    if (!body.parsed.ok || rerun.isPending) return;
    rerun.mutate({ edits: { [node]: body.parsed.value } }, { onSuccess: (next) => void navigate(`/runs/${next.id}`) });
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={t.run.editTitle(title)}
      footer={
        <>
          <Button onClick={onClose}>{t.common.cancel}</Button>
          <Button kind="primary" icon="play" busy={rerun.isPending} disabled={!body.parsed.ok} onClick={go}>
            {t.run.editGo}
          </Button>
        </>
      }
    >
      <div className="space-y-3 p-5">
        <JsonField label={t.run.output} hint={t.run.editHelp} body={body} boxClassName="h-72" />
        {rerun.error && <ProblemNotice compact error={asProblem(rerun.error)} />}
      </div>
    </Dialog>
  );
}
