package api_test

import (
	"fmt"
	"strings"
	"testing"
)

// A filter with more than a job can have is wrong input; no database has to cope
// with it.
func TestFiltersAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var labels, query []string
	for i := range 3000 {
		labels = append(labels, fmt.Sprintf(`"k%d":"v"`, i))
		query = append(query, fmt.Sprintf("label=k%d:v", i))
	}
	want(t, b.call("POST", "/api/jobs/bulk", `{"action":"hold","dry_run":true,"filter":{"labels":{`+strings.Join(labels, ",")+`}}}`), 422, "invalid_input")
	want(t, b.call("POST", "/api/jobs/bulk", `{"action":"hold","dry_run":true,"filter":{"labels":{"a b":"x"}}}`), 422, "invalid_input")
	want(t, b.call("GET", "/api/jobs?"+strings.Join(query, "&"), ""), 400, "invalid_parameter")
}

// What the place of a member of a group would be is the group's business.
func TestMembersHaveNoPlaceOfTheirOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	g := b.addGroup(groupOf("parallel", 1, ""))["group_id"].(string)
	for _, place := range []string{`"position":0`, `"top":true`, `"bottom":true`, `"before":"` + g + `"`, `"after":"` + g + `"`} {
		one := `{"job_type":"echo","params":{"text":"x"},` + place
		want(t, b.call("POST", "/api/jobs", one+`,"group_id":"`+g+`"}`), 422, "invalid_input")
		want(t, b.call("POST", "/api/job-groups/"+g+"/jobs", `{"jobs":[`+one+`}]}`), 422, "invalid_input")
		want(t, b.call("POST", "/api/job-groups", `{"name":"g","mode":"parallel","jobs":[`+one+`}]}`), 422, "invalid_input")
	}
}
