// What kind of trouble it is, in Korean, by the problem's code. In English the server says it itself.
export const titles: Readonly<Record<string, string>> = {
  already_decided: "이미 결정됨", already_finished: "이미 끝남", already_set_up: "이미 설정됨", already_started: "이미 시작됨",
  approval_closed: "종료된 승인", approval_content_changed: "승인 내용이 바뀜", approval_delegated: "다른 사람에게 맡긴 승인", delegate_not_possible: "맡길 수 없음", re_requests_exhausted: "더는 다시 요청할 수 없음", self_approval: "자기 요청은 승인할 수 없음",
  artifact_gone: "아티팩트 내용이 없음", artifact_too_large: "아티팩트가 너무 큼", quota_exceeded: "할당량 초과", log_gone: "로그가 없음",
  backup_invalid: "쓸 수 없는 백업", restore_unfinished: "복원이 끝나지 않음", store_moved: "옮겨진 저장소", store_not_empty: "저장소가 비어 있지 않음", storage_busy: "저장소가 바쁨", storage_full: "저장 공간이 가득 참", storage_unavailable: "저장소를 쓸 수 없음", other_instance: "다른 인스턴스가 실행 중", shutting_down: "서버가 종료 중",
  body_too_large: "본문이 너무 큼", malformed_body: "잘못된 형식의 본문", duplicate_key: "중복된 키", unknown_field: "알 수 없는 필드", unknown_parameter: "알 수 없는 쿼리 매개변수", invalid_header: "잘못된 헤더", invalid_input: "잘못된 입력", invalid_parameter: "잘못된 매개변수", method_not_allowed: "허용되지 않은 메서드", unsupported_media_type: "지원하지 않는 미디어 형식", range_not_satisfiable: "만족할 수 없는 범위", upgrade_required: "업그레이드 필요", cursor_invalid: "잘못된 커서", wrong_id_type: "잘못된 종류의 ID", too_many_requests: "요청이 너무 많음",
  budget_spent: "토큰 예산을 다 씀", command_not_allowed: "허용되지 않은 명령", conflict: "충돌", internal_error: "내부 오류", not_found: "찾을 수 없음", name_taken: "이미 쓰이는 이름", not_unique: "중복됨", version_mismatch: "버전이 다름", version_not_found: "없는 버전", idempotency_in_flight: "처리 중인 요청", idempotency_mismatch: "다른 요청에 쓴 멱등성 키",
  forbidden: "권한 없음", unauthorized: "로그인이 필요합니다", cross_origin: "다른 사이트의 요청", host_not_allowed: "허용되지 않은 호스트", last_admin: "마지막 관리자", setup_code_invalid: "올바르지 않은 설정 코드",
  oidc_login_expired: "로그인 시간이 지남", oidc_name_taken: "이미 쓰이는 사용자 이름", oidc_name_unusable: "쓸 수 있는 이름이 없음", oidc_not_allowed: "로그인이 허용되지 않음", oidc_refused: "OpenID 공급자가 거부함", oidc_token_invalid: "올바르지 않은 ID 토큰", oidc_unavailable: "OpenID 공급자를 쓸 수 없음",
  cron_invalid: "잘못된 cron 식", trigger_invalid: "잘못된 트리거", never_fires: "실행될 때가 없음", zone_unknown: "알 수 없는 시간대",
  direct_failed: "직접 요청 실패", direct_gone: "남아 있지 않은 답", direct_lane_full: "직접 요청 레인이 가득 참", direct_not_repeatable: "보관하지 않은 직접 요청", direct_wait_timeout: "제때 빈 슬롯이 없음",
  directive_archived: "보관된 지침", template_archived: "보관된 템플릿", webhook_disabled: "중지된 웹훅", job_type_disabled: "사용하지 않는 작업 유형", job_type_unknown: "알 수 없는 작업 유형",
  group_started: "이미 시작된 그룹", not_groupable: "그룹으로 묶을 수 없음", wrong_group: "다른 그룹", lock_held: "잠금 사용 중", lock_not_held: "잠금을 갖고 있지 않음", stale_lease: "지난 임대", not_finished: "아직 끝나지 않음",
  llm_bad_answer: "알아볼 수 없는 답", llm_broken_stream: "끊긴 답", llm_busy: "LLM 서버가 바쁨", llm_model_missing: "없는 모델", llm_refused_remote: "로컬이 아닌 LLM 서버", llm_request_refused: "LLM 서버가 거부함", llm_server_failed: "LLM 서버 실패", llm_server_unknown: "알 수 없는 LLM 서버", llm_timeout: "LLM 서버 응답 시간 초과", llm_unreachable: "LLM 서버에 연결할 수 없음", llm_unusable: "모델이 쓸 만한 답을 하지 못함",
  source_not_allowed: "허용되지 않은 자료", source_unreadable: "읽을 수 있는 자료가 없음", target_broken: "대상과 연결이 끊김", target_not_allowed: "허용되지 않은 대상", target_timeout: "대상 응답 시간 초과", target_unreachable: "대상에 연결할 수 없음", target_untrusted: "대상과 안전하게 연결할 수 없음", redirect_not_allowed: "허용되지 않은 리디렉션", response_too_large: "응답이 너무 큼",
  secret_not_found: "없는 비밀", secret_not_granted: "허용되지 않은 비밀", secret_unreadable: "읽을 수 없는 비밀", secrets_key_missing: "비밀의 키가 없음", secrets_key_wrong: "비밀의 키가 다름",
  no_active_version: "활성 버전 없음", nothing_to_retry: "재시도할 것이 없음", rollback_loop: "되풀이되는 롤백", running_not_possible: "실행 중인 것에는 할 수 없음", too_many_tags: "태그가 너무 많음", unknown_node: "알 수 없는 노드", version_not_possible: "그 버전으로는 할 수 없음", workflow_archived: "보관된 워크플로", workflow_in_use: "쓰이고 있는 워크플로", workflow_invalid: "올바르지 않은 워크플로",
};

// Why a run, an attempt or a node failed, by the failure's code; others have the titles above.

/** Sentences that say all; {what} is the number, signal or time of it. */
export const failures: Readonly<Record<string, string>> = {
  exit_nonzero: "종료 코드 {what}", killed_by_signal: "시그널로 종료됨: {what}", timeout: "{what} 제한 시간을 넘겼습니다", interrupted: "서버 재시작으로 중단되었습니다", outcome_unknown: "서버 재시작으로 중단되었습니다", cancelled: "취소되었습니다",
  approval_expired: "승인 기한이 지났습니다", rejected: "승인이 거절되었습니다", approval_withdrawn: "승인이 취소되었습니다",
};

/** Those that the server's words follow. */
export const causes: Readonly<Record<string, string>> = {
  exit_nonzero: "프로그램이 실패로 끝남", killed_by_signal: "시그널로 종료됨", timeout: "제한 시간 초과", panic: "작업 코드의 오류", start_failed: "시작하지 못함", task_error: "작업 실패", supervisor_lost: "실행을 감독하던 프로세스가 사라짐", work_folder: "작업 폴더를 쓸 수 없음",
  approval_bind_changed: "승인한 내용이 바뀜", job_failed: "시작한 작업이 실패함", job_cancelled: "시작한 작업이 취소됨", not_available: "여기서 쓸 수 없음", not_configured: "설정되지 않음", not_startable: "시작할 수 없음", not_stored: "저장되지 않은 값", registry_unavailable: "레지스트리를 쓸 수 없음",
  invalid_config: "설정값이 올바르지 않음", expression: "식을 계산할 수 없음", outputs: "출력이 올바르지 않음", outputs_too_large: "출력이 너무 큼", items_too_large: "항목이 너무 많음", too_large: "너무 큼", max_failures: "실패한 항목이 너무 많음", bad_json: "JSON이 아님", checksum_mismatch: "체크섬이 다름", query_failed: "조회 실패", select_failed: "선택 실패",
  artifact_changed: "아티팩트가 바뀜", artifact_error: "아티팩트를 쓸 수 없음", llm_empty: "모델의 답이 비어 있음", llm_failed: "모델 호출 실패", no_llm: "언어 모델이 없음", secret_refused: "비밀을 쓸 수 없음", secrets_unavailable: "비밀을 읽을 수 없음", research_unreadable: "읽을 수 있는 자료가 없음", source_unknown: "알 수 없는 자료", unreadable: "읽을 수 없음",
  node_type_unknown: "알 수 없는 노드 종류", unknown_workflow: "알 수 없는 워크플로", workflow_run_missing: "없는 워크플로 실행", workflow_version: "쓸 수 없는 워크플로 버전", too_deep: "너무 깊이 중첩됨",
};
