import type { Like } from "../catalogue";
import type { en } from "./en";

export const ko: Like<typeof en> = {
  QUEUED: "대기 중", RUNNING: "실행 중", COMPLETED: "완료", FAILED: "실패", SKIPPED: "건너뜀", CANCELLED: "취소됨",
  PENDING: "대기", READY: "준비됨", WAITING: "기다리는 중", PAUSED: "일시 정지", ACTIVE: "활성", COMPENSATED: "되돌림", PARTIAL: "일부 완료",
  APPROVED: "승인됨", REJECTED: "거절됨", EXPIRED: "만료됨", SUPERSEDED: "대체됨",
  HELD: "보류됨", DELAYED: "지연됨", PARKED: "주차됨", STOPPING: "중지하는 중", LOST: "유실됨",
  ENABLED: "사용", DISABLED: "사용 안 함", FINISHED: "종료", DELIVERED: "전달됨", RETRYING: "재시도 중", UNKNOWN: "알 수 없음",
};
