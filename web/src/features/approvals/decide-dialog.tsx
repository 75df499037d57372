// Approve or reject: the question, its form where it has one, and a comment.
import { useState } from 'react';
import { asProblem } from '@/api/problem';
import type { Approval, Json } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { Button } from '@/ui/button';
import { Dialog } from '@/ui/dialog';
import { Field, TextArea } from '@/ui/field';
import { JsonField, useJsonText } from '@/ui/json-field';
import { ProblemNotice } from '@/ui/problem';
import { useToast } from '@/ui/toast';
import { FormField } from '@/run/form-field';
import { formFields, formInput, formValues } from '@/run/input-schema';
import { useDecide } from '@/features/approvals/queries';

export function DecideDialog({ approval, onClose }: { approval: Approval; onClose: () => void }) {
  const t = useT();
  const toast = useToast();
  const decide = useDecide(approval.id);
  const fields = formFields(approval.form);
  const [values, setValues] = useState(() => formValues(fields ?? [], {}));
  const body = useJsonText('{}');
  const [comment, setComment] = useState('');
  const data: Json | undefined = !approval.form
    ? undefined
    : fields
      ? (formInput(fields, values) ?? undefined)
      : body.parsed.ok
        ? body.parsed.value
        : undefined;
  const ready = !approval.form || data !== undefined;

  const go = (decision: 'approve' | 'reject') => {
    if (decide.isPending) return;
    decide.mutate(
      {
        decision,
        ...(comment.trim() && { comment: comment.trim() }),
        ...(decision === 'approve' && data !== undefined && { data }),
      },
      {
        onSuccess: (answer) => {
          toast.ok(
            answer.recorded
              ? decision === 'approve'
                ? t.approvals.approved
                : t.approvals.rejected
              : t.approvals.already,
          );
          onClose();
        },
      },
    );
  };

  return (
    <Dialog
      open
      onClose={onClose}
      title={approval.subject}
      footer={
        <>
          <Button className="mr-auto" onClick={onClose}>
            {t.common.cancel}
          </Button>
          <Button kind="danger" icon="x" busy={decide.isPending} onClick={() => go('reject')}>
            {t.approvals.reject}
          </Button>
          <Button kind="primary" icon="check" busy={decide.isPending} disabled={!ready} onClick={() => go('approve')}>
            {t.approvals.approve}
          </Button>
        </>
      }
    >
      <div className="space-y-4 p-5">
        {approval.message && <p className="text-sm whitespace-pre-wrap">{approval.message}</p>}
        {approval.decisions.map((one) => (
          <p key={one.by} className="text-sm text-ink-2">
            {t.approvals.by(one.by)}
            {one.comment && `: ${one.comment}`}
          </p>
        ))}
        {fields
          ? fields.map((field) => (
              <FormField
                key={field.name}
                field={field}
                value={values[field.name]}
                onChange={(value) => setValues((all) => ({ ...all, [field.name]: value }))}
              />
            ))
          : approval.form && <JsonField label={t.approvals.data} body={body} boxClassName="h-40" />}
        <Field label={t.approvals.comment}>
          {(ids) => (
            <TextArea {...ids} value={comment} maxLength={2000} onChange={(event) => setComment(event.target.value)} />
          )}
        </Field>
        {decide.error && <ProblemNotice compact error={asProblem(decide.error)} />}
      </div>
    </Dialog>
  );
}
