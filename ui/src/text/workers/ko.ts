import type { Like } from "../catalogue";
import type { en } from "./en";

export const ko: Like<typeof en> = {
  title: "워커와 잠금", busy: "{count}개 중 {running}개 사용 중", count: "워커 수", paused: "일시 정지됨", drain: "비우기", resume: "계속", drainTitle: "워커를 비울까요?",
  drainText: "실행 중인 작업은 끝까지 실행되고, 계속을 누를 때까지 새 작업은 시작되지 않습니다. 대기열은 그대로 유지됩니다.", reason: "사유", drained: "워커를 비우는 중입니다", resumed: "작업이 다시 시작됩니다", scaled: "워커 {n}개",
  slots: "슬롯", slot: "슬롯", state: "상태", job: "작업", type: "유형", instance: "인스턴스", since: "시작", idle: "유휴", busyState: "사용 중", surplus: "작업 후 종료", otherTenant: "다른 테넌트",
  noSlots: "워커 없음", noSlotsText: "워커 수가 0이어서 작업이 시작되지 않고 기다립니다.", more: "그 외 유휴 슬롯 {n}개",
  instances: "인스턴스", host: "호스트", version: "버전", started: "시작", lease: "하트비트", leaseLeft: "{left} 안에 갱신", leaseLost: "응답 없음: 작업이 대기열로 돌아갑니다", process: "프로세스",
  locks: "잠금", lock: "잠금", holder: "보유자", ttl: "TTL", token: "토큰", waiting: "대기", nobody: "비어 있음", jobTtl: "끝날 때까지", lost: "유실", outside: "외부", direct: "직접 요청", held: "{capacity}개 중 {held}개 보유",
  noLocks: "보유 중인 잠금이 없습니다", noLocksText: "같은 잠금을 쓰는 작업은 함께 실행되지 않습니다. 잠금은 이름을 쓰면 생깁니다.", actionsOf: "{name}의 작업", release: "강제로 해제…", capacity: "용량 설정…", history: "기록",
  releaseTitle: "{name} 잠금을 해제할까요?", releaseText: "아무것도 멈추지 않습니다. 보유자는 잠금 없이 계속 실행되고, 이 잠금이 필요한 다음 작업이 함께 시작될 수 있습니다. 먼저 보유자를 멈추세요.", releaseLost: "보유자의 서버가 사라졌습니다. 프로세스 종료가 확인되면 잠금은 저절로 풀립니다.",
  typeName: "확인하려면 {name} 입력", releaseDo: "잠금 해제", released: "{name} 잠금을 해제했습니다", capacityTitle: "{name}의 용량", capacityText: "동시에 보유할 수 있는 수입니다. 줄여도 지금 보유자는 유지됩니다.", holders: "동시 보유자 수", save: "저장", capacitySet: "{name}: 동시에 {n}개",
  limits: "동시 실행 제한", limitsText: "워커 수에 더해 적용됩니다.", ofAll: "모든 작업", ofType: "작업 유형", ofTemplate: "템플릿", ofTenant: "테넌트", noLimits: "워커 수 외에 제한이 없습니다.", addLimit: "제한 추가", editLimit: "{name}의 제한 변경", removeLimit: "{name}의 제한 제거",
  draining: "비우는 중: {n}개가 끝나고 새로 시작하지 않음", noneStarts: "슬롯 없음: 시작하지 않음", zeroTitle: "워커를 0으로 바꿀까요?", zeroText: "실행 중인 작업 {n}개는 끝까지 실행되고, 워커가 다시 생길 때까지 새 작업은 시작되지 않습니다.", zeroIdle: "워커가 다시 생길 때까지 작업이 시작되지 않습니다.", zeroDo: "0으로 변경",
  limitTitle: "동시 실행 제한", limitText: "이 작업들이 동시에 실행될 수 있는 수입니다. 0이면 시작하지 않습니다. 실행 중인 작업은 멈추지 않습니다.", scope: "대상", name: "이름", max: "최대", limitSet: "제한을 저장했습니다", limitGone: "제한을 제거했습니다", wrongNumber: "0 이상의 정수여야 합니다", full: "가득 참", position: "{n}번째",
};
