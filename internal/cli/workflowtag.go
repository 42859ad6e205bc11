package cli

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runsheet/runsheet/client"
)

// versionRef is a flag or argument that names a version, by its number or by a tag.
type versionRef struct {
	number int
	tag    string
}

var versionNumber = regexp.MustCompile(`^v?[0-9]+$`)

// Set reads what a person wrote. Which tags there can be is the server's to say.
func (v *versionRef) Set(text string) error {
	*v = versionRef{}
	if !versionNumber.MatchString(text) {
		if text == "" || strings.ContainsAny(text[:1], "+-") {
			return fmt.Errorf("%q is no version: a number from 1, or a tag", text)
		}
		v.tag = text
		return nil
	}
	n, err := strconv.Atoi(strings.TrimPrefix(text, "v"))
	if err != nil || n < 1 {
		return fmt.Errorf("%q is no version: a number from 1, or a tag", text)
	}
	v.number = n
	return nil
}

func (v *versionRef) String() string {
	if v.number > 0 {
		return strconv.Itoa(v.number)
	}
	return v.tag
}

// Type names it in help texts.
func (v *versionRef) Type() string { return "version" }

func (v *versionRef) given() bool { return *v != versionRef{} }

func (a *app) workflowTag() *cobra.Command {
	remove := ""
	c := &cobra.Command{
		Use: "tag WORKFLOW VERSION TAG", Short: "Give a version a tag, move it, or take it away", Args: cobra.RangeArgs(1, 3), ValidArgsFunction: a.completeWorkflows(),
		Long: `Tag gives a version a name, which can be used wherever a version is named. A tag names
one version: given to another, it moves. VERSION may be another tag.`,
		Example: "  runsheet workflow tag etl 4 stable\n  runsheet workflow rollback etl --to stable\n  runsheet workflow tag etl --delete stable",
		RunE: func(c *cobra.Command, args []string) error {
			if (len(args) == 1) != (remove != "") || len(args) == 2 {
				return usagef("give VERSION and TAG, or --delete TAG")
			}
			cl, err := a.connect(c)
			if err != nil {
				return err
			}
			if remove != "" {
				if err := cl.UntagWorkflow(c.Context(), args[0], remove, client.Call{}); err != nil {
					return err
				}
				a.talk("%s has no tag %s any more", args[0], remove)
				return nil
			}
			var ref versionRef
			if err := ref.Set(args[1]); err != nil {
				return usagef("%s", err)
			}
			if ref.tag != "" {
				v, err := cl.WorkflowVersion(c.Context(), args[0], ref.tag)
				if err != nil {
					return err
				}
				ref.number = v.Version
			}
			done, err := cl.TagWorkflow(c.Context(), args[0], args[2], ref.number, client.Call{})
			switch was := done.PreviousVersion; {
			case err != nil:
				return err
			case was == nil:
				a.talk("%s names version %d of %s", args[2], ref.number, args[0])
			case *was == ref.number:
				a.talk("%s names version %d of %s already", args[2], ref.number, args[0])
			default:
				a.talk("%s moved from version %d to %d of %s", args[2], *was, ref.number, args[0])
			}
			return nil
		},
	}
	c.Flags().StringVar(&remove, "delete", "", "take this `tag` away")
	return c
}
