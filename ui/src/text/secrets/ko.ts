import type { Like } from "../catalogue";
import type { en } from "./en";

export const ko: Like<typeof en> = {
  title: "비밀", name: "이름", description: "설명", grants: "허가", lastUsed: "마지막 사용", set: "값 설정", by: "{name}", version: "버전", add: "비밀 추가", search: "이름", never: "없음", noGrant: "아무도 쓸 수 없음", grantCount: "허가 {n}개",
  none: "비밀 없음", noneText: "워크플로에 필요하지만 아무도 읽으면 안 되는 비밀번호와 토큰입니다. 워크플로에서 {{secrets.NAME}} 식으로 씁니다.", noMatch: "일치하는 비밀이 없습니다", addTitle: "비밀 추가", addText: "값은 암호화되어 보관됩니다. 본인을 포함해 아무도 다시 읽을 수 없습니다.", value: "값", valueHint: "최대 32 KiB의 글자. 끝의 줄 바꿈 하나는 포함되지 않습니다.", show: "입력 내용 보기", save: "저장", saved: "{name} 비밀을 저장했습니다", nameHint: "워크플로에서: {use}",
  newValue: "새 값", newValueText: "값을 바꿉니다. 이미 시작된 실행은 이전 값을 씁니다. 이전 값은 되돌릴 수 없습니다.", setValue: "값 설정", valueSet: "{name}의 값을 바꿨습니다", remove: "삭제", removeTitle: "{name} 비밀을 삭제할까요?", removeText: "이 비밀을 쓰는 워크플로는 이제 실패합니다. 값은 되돌릴 수 없습니다.", typeName: "확인하려면 {name} 입력", removed: "{name} 비밀을 삭제했습니다", history: "기록",
  grantText: "어떤 워크플로가 어디로 보낼 수 있는지 정합니다. 허가된 워크플로를 편집할 수 있는 사람은 이 호스트로 비밀을 보낼 수 있으니 최소한으로 지정하세요.", workflow: "워크플로", kinds: "노드 종류", hosts: "호스트", kindsHint: "예: action/api_call, notification/*", hostsHint: "action/command처럼 대상이 없는 종류는 비워 둡니다", addGrant: "허가 추가", removeGrant: "{n}번 허가 삭제", grant: "허가 {n}", saveGrants: "허가 저장", grantsSaved: "{name}의 허가를 저장했습니다", details: "자세히", undo: "변경 취소", needsKind: "허가마다 워크플로와 종류가 필요합니다.", created: "생성",
};
