// Which members to keep: by their paths, or renamed.
import type { Json } from '@/api/types';
import { useT } from '@/i18n/i18n';
import { arr, obj, str } from '@/flow/model';
import { isObject } from '@/lib/json';
import { ListInput } from '@/features/flow-editor/inputs/plain-inputs';
import { MapInput } from '@/features/flow-editor/inputs/map-input';
import type { SpecialProps } from '@/features/flow-editor/nodes/special';

const lastName = (path: string) => path.split('.').at(-1) ?? path;

export function KeysInput({ node, data, ids, onChange }: SpecialProps) {
  const t = useT();
  const value = data['keys'];
  const renaming = isObject(value);
  const flip = () => {
    const next: Json = renaming
      ? Object.values(obj(value)).map(str)
      : Object.fromEntries(
          arr(value)
            .map(str)
            .map((path) => [lastName(path), path]),
        );
    onChange(next);
  };
  return (
    <div>
      {renaming ? (
        <MapInput
          node={node}
          value={obj(value)}
          onChange={(map) => onChange(map ?? {})}
          keyLabel={t.editor.newName}
          valueLabel={t.editor.path}
        />
      ) : (
        <ListInput ids={ids} value={value} placeholder="body.company.name" onChange={onChange} />
      )}
      {data['mode'] === 'pick' && (
        <button type="button" className="mt-1 rounded-sm text-xs text-indigo hover:underline" onClick={flip}>
          {renaming ? t.editor.dontRename : t.editor.rename}
        </button>
      )}
    </div>
  );
}
