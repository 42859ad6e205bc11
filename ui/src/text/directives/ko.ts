import type { Like } from "../catalogue";
import type { en } from "./en";

export const ko: Like<typeof en> = {
  title: "지침", add: "새 지침", name: "이름", model: "모델", allow: "읽기 허용", limits: "제한", version: "버전", changed: "변경", search: "이름", archivedToo: "보관된 것 포함", archived: "보관됨", any: "서버 기본값", nothing: "없음", files: "파일", hosts: "호스트", containers: "컨테이너", tokens: "토큰 {n}", perRun: "실행당 토큰", perCall: "호출당 토큰", time: "실행 시간", noLimit: "없음",
  none: "지침 없음", noneText: "지침은 모델에 어떻게 묻고, 작업이 무엇을 읽으며, 실행 한 번에 얼마나 쓸 수 있는지 정합니다. 지침이 없으면 아무것도 읽을 수 없습니다.", noMatch: "일치하는 지침이 없습니다", newTitle: "새 지침", description: "설명", prompt: "시스템 프롬프트", promptHint: "모든 질문 앞에 붙습니다. 저장되고 모든 역할에 보이므로 비밀을 쓰지 마세요.", server: "LLM 서버", temperature: "온도", context: "컨텍스트 크기", filesHint: "절대 경로 패턴, 한 줄에 하나: *와 ?는 이름 안, **는 여러 폴더.", hostsHint: "URL의 호스트, 한 줄에 하나. 예: *.example.org", containersHint: "컨테이너 이름, 한 줄에 하나. 예: web-*", save: "버전 {n}(으)로 저장", create: "만들기", saved: "{name} 지침을 버전 {n}(으)로 저장했습니다", edit: "편집", remove: "삭제…", archive: "보관", restore: "되살리기", archivedDone: "{name} 지침은 더 이상 쓰이지 않습니다", restoredDone: "{name} 지침을 다시 씁니다", removed: "{name} 지침을 삭제했습니다", removeTitle: "{name} 지침을 삭제할까요?", removeText: "모든 버전의 허가가 즉시 사라집니다. 시작하지 않은 작업은 실패합니다.", removeDo: "지침 삭제", history: "기록", actionsOf: "{name}의 작업",
  now: "현재", versions: "버전", uses: "사용하는 곳", noUses: "쓰는 템플릿이 없습니다.", versionN: "버전 {n}", compare: "버전 {n} 이후 변경", same: "차이 없음", current: "현재", numberWrong: "숫자여야 합니다",
};
