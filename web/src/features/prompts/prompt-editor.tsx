// The text of a prompt's version.
import { useT } from '@/i18n/i18n';
import { JsonField, type JsonText } from '@/ui/json-field';

export function PromptEditor({ body }: { body: JsonText }) {
  const t = useT();
  return <JsonField label={t.prompts.body} hint={t.prompts.bodyHint} body={body} rows={16} />;
}
