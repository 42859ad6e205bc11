// Why a message did not arrive, in Korean, by the code of its error. In English the server says it itself.

/** Sentences that need no more words; {status} is the receiver's answer. */
export const errors: Readonly<Record<string, string>> = {
  unexpected_status: "수신자가 {status}(으)로 답했습니다", redirect: "수신자가 {status}(으)로 답했습니다. 리디렉션은 따르지 않으니 그 주소를 직접 쓰세요", gone: "수신자가 {status}(으)로 답했습니다. 더 이상 받지 않습니다",
  expired: "기한 안에 전달하지 못했습니다", webhook_disabled: "웹훅이 중지되어 있습니다", webhook_deleted: "웹훅이 삭제되었습니다", internal_error: "서버가 요청을 만들지 못했습니다",
};

/** Those that the server's words follow: they name the host, and what was wrong. */
export const about: Readonly<Record<string, string>> = {
  target_unreachable: "수신자에 연결할 수 없습니다", target_timeout: "수신자가 제때 답하지 않았습니다", target_untrusted: "안전한 연결을 만들지 못했습니다", target_broken: "연결이 끊겼거나 HTTP 응답이 아닙니다", target_not_allowed: "허용되지 않은 주소입니다", invalid_input: "요청이 올바르지 않습니다",
};
