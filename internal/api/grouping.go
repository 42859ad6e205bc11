package api

import (
	"net/http"
	"time"

	"github.com/runsheet/runsheet/internal/api/wire"
	"github.com/runsheet/runsheet/internal/audit"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
	"github.com/runsheet/runsheet/internal/job"
	"github.com/runsheet/runsheet/internal/store"
)

// This file makes groups of jobs that wait, and dissolves groups.

// formGroup is createGroup for jobs that wait.
func (s *service) formGroup(r *request, in wire.JobGroupInput, g job.Group) (reply, error) {
	if err := firstOf(unplaced(in), checkMembers(in.JobIDs)); err != nil {
		return reply{}, err
	}
	p := store.FormGroup{Group: g, JobIDs: in.JobIDs}
	var err error
	if p.Allow, err = s.maySteerAll(r, in.JobIDs); err != nil {
		return reply{}, err
	}
	p.Audit, err = s.record(r, change{
		Action: audit.GroupFormed, Object: g.ID, Name: g.Name, Detail: map[string]string{"jobs": itoa(len(in.JobIDs)), "mode": string(g.Mode)},
	})
	if err != nil {
		return reply{}, err
	}
	var render func(store.GroupAdded) reply
	added, err := again(func() (store.GroupAdded, error) {
		revision, err := s.seenOrder(r)
		if err != nil {
			return store.GroupAdded{}, err
		}
		if render, err = s.renderAdded(r, http.StatusCreated); err != nil {
			return store.GroupAdded{}, err
		}
		p.IfRevision, p.Key = revision, keyed(r, render)
		return s.Store.Groups.Form(r.Context(), p)
	})
	if err != nil {
		return reply{}, err
	}
	return render(added), nil
}

// unplaced refuses what a group of waiting jobs gets from them.
func unplaced(in wire.JobGroupInput) error {
	for _, f := range []struct {
		at    string
		given bool
	}{
		{"/priority", in.Priority != nil},
		{"/position", in.Position != nil},
		{"/before", in.Before != ""},
		{"/after", in.After != ""},
		{"/top", in.Top},
		{"/bottom", in.Bottom},
	} {
		if f.given {
			return fault.New(fault.InvalidInput, "a group of waiting jobs takes the place of the first of them").
				At(f.at, "not_allowed", "is for a group of new jobs; move the group when it is there")
		}
	}
	return nil
}

// checkMembers checks the ids of jobs that a group is made of.
func checkMembers(ids []string) error {
	seen := map[string]bool{}
	for i, one := range ids {
		at := "/job_ids/" + itoa(i)
		if err := id.Check(id.Job, one); err != nil {
			return fault.From(err).At(at, string(fault.WrongIDType), "must be the id of a job")
		}
		if seen[one] {
			return fault.Newf(fault.InvalidInput, "%s is named twice", one).At(at, "duplicate", "is named twice")
		}
		seen[one] = true
	}
	return nil
}

// seenOrder is the revision of the order on which the caller insists, 0 for none.
func (s *service) seenOrder(r *request) (int64, error) {
	if r.ifMatch == nil {
		return 0, nil
	}
	set, err := s.Store.Queue.Settings(r.Context())
	if err == nil {
		err = s.matchOrder(r, set)
	}
	return set.Revision, err
}

func (s *service) dissolveGroup(r *request) (reply, error) {
	g, err := s.group(r)
	if err != nil {
		return reply{}, err
	}
	p := store.DissolveGroup{Tenant: r.tenant(), ID: g.ID}
	if p.Allow, err = s.maySteerAll(r, []string{g.ID}); err != nil {
		return reply{}, err
	}
	if p.Audit, err = s.record(r, change{Action: audit.GroupDissolved, Object: g.ID, Name: g.Name}); err != nil {
		return reply{}, err
	}
	p.Key = keyed(r, dissolved)
	done, err := again(func() (store.GroupDissolved, error) {
		if p.IfRevision, err = s.seenOrder(r); err != nil {
			return store.GroupDissolved{}, err
		}
		p.At = s.Clock.Now().UTC().Truncate(time.Millisecond)
		return s.Store.Groups.Dissolve(r.Context(), p)
	})
	if err != nil {
		return reply{}, err
	}
	return dissolved(done), nil
}

// dissolved is the answer to dissolving a group.
func dissolved(d store.GroupDissolved) reply {
	out := wire.JobGroupDissolved{GroupID: d.Group.ID, JobIDs: d.JobIDs, Position: d.Position, Revision: d.Revision}
	if !d.Deleted {
		v := wire.JobGroupOf(d.Group, d.Group.Total-d.Group.Ended(), nil, nil)
		out.Group = &v
	}
	return reply{Status: http.StatusOK, ETag: etag(d.Revision), Body: out}
}
