import type { Schema } from "../../api/client";

type Problem = Schema<"WorkflowProblem">;

// What is wrong with a document, in Korean. In English the server says it itself.

/** By reason, with the problem's values. */
export const reasons: Record<NonNullable<Problem["reason"]>, string> = {
  unknown_key: "{name} 필드는 여기에 없습니다", unknown_value: "{name}에 쓸 수 있는 값: {known}",
  wrong_type: "{name}은(는) {wanted}이(여)야 하는데 {given}입니다", wrong_form: "{name}은(는) {wanted}이(여)야 합니다", wrong_items: "{name}에는 {wanted}만 쓸 수 있는데 {given}이(가) 있습니다", not_an_object: "객체여야 하는데 {given}입니다", mock_index: "mock의 items는 0부터 시작하는 번호로 적습니다", wrong_default: "{name}의 기본값이 선언과 맞지 않습니다 ({problem})", wrong_enum: "{name}의 enum에 선언과 맞지 않는 값이 있습니다 ({problem})",
  out_of_range: "{name}은(는) {min}에서 {max} 사이여야 합니다", whole_number_out_of_range: "{name}은(는) {min}에서 {max} 사이의 정수여야 합니다", duration_out_of_range: "{name}은(는) 0보다 길고 {max} 이하여야 합니다", min_above_max: "{name}의 min이 max보다 큽니다",
  too_many_nodes: "노드가 {count}개입니다. {max}개까지 가능합니다", too_many_fields: "양식의 필드는 {max}개까지입니다", more: "그 밖에 {count}개의 문제가 더 있습니다",
  required: "{name}이(가) 필요합니다", subtype_required: "{type} 노드에는 {name}이(가) 필요합니다. 쓸 수 있는 값: {known}",
  invalid_id: "{name}은(는) a-z, 0-9, _, - 중에서 1~64자여야 합니다", invalid_name: "{name}은(는) 이름으로 쓸 수 없습니다. 글자, 숫자, _만 쓰며 숫자로 시작하지 않습니다", invalid_pattern: "{name}의 pattern이 정규식(RE2)이 아닙니다 ({problem})",
  newer_dsl: "언어 버전 {version}의 문서입니다. 이 서버는 {newest}까지 압니다",
  unknown_type: "{name}(이)라는 노드 종류가 없습니다", unknown_subtype: "{field}에 {name}(이)라는 값은 없습니다", unknown_node: "{name}(이)라는 노드가 없습니다", unknown_outcome: "{node} 노드는 {outcome}(으)로 끝나지 않습니다. 가능한 결과: {known}",
  not_constant: "{name}은(는) 계산할 수 없습니다. 모든 실행에서 같아야 합니다", not_before: "{name}에는 {node}보다 먼저 오는 노드를 적어야 하는데 {other}은(는) 그렇지 않습니다",
  cycle: "노드가 원을 이룹니다: {path}. 반복하려면 map, wait, retry를 쓰세요", duplicate_node: "{name} 노드가 이미 {place}에 있습니다", not_in_map: "{type} 노드는 map 안에 둘 수 없습니다",
  mock_error_and_result: "mock에는 error를 쓰거나, result와 outcome을 씁니다", subtype_already: "{name} 종류는 이미 {type} {subtype}입니다", name_taken: "as: {name}은(는) 워크플로에 있는 이름을 가립니다", pattern_of_no_string: "pattern은 string에만 쓸 수 있습니다. {name}은(는) {type}입니다", items_of_no_array: "items는 array에만 쓸 수 있습니다. {name}은(는) {type}입니다", default_of_secret: "{name}은(는) 비밀이므로 기본값을 둘 수 없습니다. 문서를 보는 누구나 읽게 됩니다", secret_field: "승인은 기록에 남으므로 {name}은(는) 비밀일 수 없습니다",
  secret_not_allowed: "비밀은 data, action, notification, deploy 노드의 config에서만 쓸 수 있습니다", secret_not_named: "secrets.NAME처럼 비밀의 이름을 적으세요",
  unknown_input: "{name}(이)라는 입력이 없습니다", unknown_variable: "{name}(이)라는 변수가 없습니다", unknown_output: "{name}(이)라는 노드가 없습니다", outside_of_map: "{name}은(는) map 안에서만 쓸 수 있습니다", no_result: "result는 노드의 outputs에서만 쓸 수 있습니다", no_error: "error는 retry.when과 오류 처리기에서만 쓸 수 있습니다", before_the_run: "outputs.{node}은(는) 실행이 시작되기 전에는 알 수 없습니다", own_outputs: "노드가 자기 출력을 읽습니다. 지금 내는 값은 result입니다",
  not_stored: "{name}이(가) {node} 노드의 언어 모델 답을 저장하게 됩니다. 그 노드의 save_as로 아티팩트 이름을 정하고 outputs.{node}.artifact_id를 쓰세요", maybe_missing: "{node} 노드가 먼저 실행된다는 보장이 없습니다",
  wrong_expression: "{character}번째 글자에서 식이 잘못되었습니다 ({problem})",
};

/** By code, for problems without a reason. The server's words follow. */
export const codes: Record<Problem["code"] | "yaml", string> = {
  yaml: "YAML을 읽을 수 없습니다", syntax: "문서를 읽을 수 없습니다", expression: "식이 잘못되었습니다", more: "문제가 더 있습니다",
  unknown_key: "없는 필드입니다", unknown_value: "쓸 수 없는 값입니다", unknown_type: "없는 종류입니다", unknown_node: "없는 노드입니다", unknown_outcome: "없는 결과입니다", unknown_reference: "여기서 알 수 없는 이름입니다",
  wrong_type: "형식이 맞지 않습니다", wrong_value: "값이 맞지 않습니다", out_of_range: "범위를 벗어났습니다", too_many: "너무 많습니다", required: "필요한 것이 빠졌습니다",
  invalid_id: "ID로 쓸 수 없습니다", invalid_name: "이름으로 쓸 수 없습니다", invalid_pattern: "정규식이 잘못되었습니다", invalid_mock: "mock이 노드와 맞지 않습니다", invalid_schema: "JSON Schema가 아닙니다", newer_dsl: "더 새로운 언어 버전입니다",
  not_constant: "계산할 수 없는 필드입니다", not_before: "먼저 오는 노드가 아닙니다", not_in_map: "map 안에 둘 수 없습니다", not_allowed: "여기에 쓸 수 없습니다", secret_not_allowed: "여기서 비밀을 쓸 수 없습니다", not_stored: "저장되지 않는 값입니다", maybe_missing: "아직 없을 수 있는 값입니다", cycle: "노드가 원을 이룹니다", duplicate_node: "이미 있는 노드입니다", shell_script: "셸 스크립트에 값을 끼워 넣을 수 없습니다",
};

/** Values that are wanted or given. */
export const forms: Readonly<Record<string, string>> = {
  null: "null", string: "문자열", integer: "정수", number: "수", boolean: "true 또는 false", object: "객체", list: "목록", value: "값", duration: "90s, 15m, PT15M 같은 기간", time: "2026-03-29T09:00:00Z 같은 시각", expression: "식", strings: "문자열", objects: "객체", nodes: "노드 이름",
};
