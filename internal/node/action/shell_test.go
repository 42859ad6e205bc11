//go:build linux

package action_test

import (
	"testing"

	"github.com/runsheet/runsheet/internal/node/action"
	"github.com/runsheet/runsheet/internal/node/nodetest"
)

// Ways by which a value becomes a part of a script although no shell is argv[0].
func TestScriptsBehindOthers(t *testing.T) {
	t.Parallel()
	n := program(t, "*")
	for text, argv := range map[string][]any{
		"argv: [env, '{{ inputs.x }}', -ec, 'echo {{ inputs.x }}']": {"env", "sh", "-ec", "echo X"},
		"argv: '{{ [inputs.x] }}'":                                  {"env", "A=1", "sh", "-c", "echo X"},
	} {
		h := nodetest.New(t)
		c := nodetest.CallOf(t, h, kinds(n), "  - {node_id: c, type: command, config: {"+text+"}}\n", map[string]any{"argv": argv})
		_, err := n.Run(t.Context(), c)
		if f := nodetest.Failure(t, err); f.Code != "shell_script" || len(h.Processes()) != 0 {
			t.Errorf("%s: %+v", text, f)
		}
	}
	k := kinds(n)
	for config, bad := range map[string]bool{
		"argv: [env, -S, 'sh -c {{ inputs.x }}']":                            true,
		"argv: [env, '-Ssh -c {{ inputs.x }}']":                              true,
		"argv: [env, 'A={{ inputs.x }}', ls]":                                false,
		"argv: [su, app, -c, '{{ inputs.x }}']":                              true,
		"argv: [watch, '{{ inputs.x }}']":                                    true,
		"argv: [bash, --rcfile, rc, -c, '{{ inputs.x }}']":                   true,
		"argv: [bash, script.sh, '{{ inputs.x }}']":                          false,
		"argv: [bash, script.sh], env: {BASH_ENV: '{{ inputs.x }}'}":         true,
		"argv: [bash, script.sh], env: {A: '{{ inputs.x }}'}":                false,
		"argv: [pwsh, -ExecutionPolicy, Bypass, -Command, '{{ inputs.x }}']": true,
		"argv: [pwsh, -File, a.ps1, '{{ inputs.x }}']":                       false,
		"argv: [flock, /tmp/l, sh, -c, 'echo {{ inputs.x }}']":               true,
		"argv: [git, commit, -c, '{{ inputs.x }}']":                          false,
	} {
		if _, problems := nodetest.Check(k, "  - {node_id: a, type: command, config: {"+config+"}}\n"); (len(problems) > 0) != bad {
			t.Errorf("%s: %v", config, problems)
		}
	}
}

// A job of the type command has the rules of a command node.
func TestJobScripts(t *testing.T) {
	t.Parallel()
	k := kinds(action.NewJob(&nodetest.Queue{}))
	for config, bad := range map[string]bool{
		"job_type: command, params: {argv: [sh, -c, 'echo {{ inputs.x }}']}":           true,
		"job_type: command, params: {argv: '{{ inputs.x }}'}":                          true,
		"job_type: command, params: {argv: ['{{ inputs.x }}', a]}":                     true,
		"job_type: command, params: '{{ inputs.x }}'":                                  true,
		"job_type: '{{ inputs.x }}', params: {argv: [sh, -c, 'echo']}":                 true,
		"job_type: command, params: {argv: [sh, -c, 'echo $A', sh, '{{ inputs.x }}']}": false,
		"template_id: t, params: '{{ inputs.x }}'":                                     true,
		"template_id: t, params: {a: '{{ inputs.x }}'}":                                false,
		"job_type: http, params: {url: '{{ inputs.x }}'}":                              false,
	} {
		if _, problems := nodetest.Check(k, "  - {node_id: a, type: action, action_type: job, config: {"+config+"}}\n"); (len(problems) > 0) != bad {
			t.Errorf("%s: %v", config, problems)
		}
	}
}
