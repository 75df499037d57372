// Settings that have an editor of their own, by "type.field"; all others get the input of their kind.
import type { ComponentType } from 'react';
import type { FieldType, Json, JsonObject, Located } from '@/api/types';
import type { FieldIds } from '@/ui/field';
import { Cases } from '@/features/flow-editor/nodes/condition/cases';
import { KeysInput } from '@/features/flow-editor/nodes/data-transform/keys';
import { InputSchema } from '@/features/flow-editor/nodes/trigger/input-schema';
import { TimeZone } from '@/features/flow-editor/nodes/trigger/time-zone';

export interface SpecialProps {
  node: string;
  field: FieldType;
  data: JsonObject;
  ids: FieldIds;
  problems: Located[];
  onChange: (value: Json | undefined) => void;
}

export const SPECIAL: Record<string, ComponentType<SpecialProps> | undefined> = {
  'condition.cases': Cases,
  'data-transform.keys': KeysInput,
  'trigger.input': InputSchema,
  'trigger.schedule.timezone': TimeZone,
};
