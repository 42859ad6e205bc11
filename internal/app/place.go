package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/runsheet/runsheet/internal/clock"
	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/id"
)

// placeName is what says, in the place of artifacts and logs, which place it is.
const placeName = "installation"

// Bounds of awaitPlace: five seconds.
const (
	placeLooks = 20
	placePause = 250 * time.Millisecond
)

// claimPlace compares the id in the place of artifacts and logs with the one in
// the database. Only who knows that both belong together may remove what no row
// names, and only instances that found the same place may live together.
func (a *App) claimPlace(ctx context.Context) error {
	b, err := a.blobs.Read(ctx, placeName)
	if err != nil && !fault.Is(err, fault.ArtifactGone) {
		return fmt.Errorf("look whose place of artifacts it is: %w", err)
	}
	there := strings.TrimSpace(string(b))
	fresh := id.New("place", a.o.Clock.Now())
	want, err := a.store.Artifacts.Place(ctx, fresh)
	if err != nil {
		return err
	}
	if there == "" && want != fresh && a.shared && !a.exclusive() {
		if b, err = a.awaitPlace(ctx); err != nil {
			return err
		}
		there = strings.TrimSpace(string(b))
	}
	switch {
	case there == "" && want != fresh:
		if moved, err := a.movePlace(ctx, want, fresh); err != nil || !moved {
			return err
		}
		there = fresh
	case there == "":
		there = want
	case there != want && a.shared:
		return fault.Newf(fault.OtherInstance, "the place %s belongs to another installation, or was this one's earlier: the database knows the place %s, and found is %s",
			a.o.Config.BlobURL, want, there).
			WithHint("correct blob_url; if you are sure that no other installation uses the place, delete " + placeName + " in it and start again")
	case there != want:
		// The other one may only be set aside: it is not for this one to empty.
		a.log.Warn("artifacts in the data folder belong to another database: unused ones are not removed; if that database is gone, delete the file installation among them",
			"place", there, "database", want)
		return nil
	}
	if len(b) == 0 {
		if err := a.blobs.Write(ctx, placeName, []byte(there+"\n")); err != nil {
			return fmt.Errorf("mark the place of artifacts: %w", err)
		}
	}
	a.owned = true
	if a.shared {
		a.place = there
	}
	return nil
}

// awaitPlace gives another instance, which may start at the same moment, the time
// to mark a new place that it has entered into the database.
func (a *App) awaitPlace(ctx context.Context) ([]byte, error) {
	for range placeLooks {
		b, err := a.blobs.Read(ctx, placeName)
		if !fault.Is(err, fault.ArtifactGone) {
			return b, err
		}
		if err := clock.Sleep(ctx, a.o.Clock, placePause); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// movePlace makes an empty place this installation's, unless another instance
// lives, which keeps files elsewhere. Beside that one a data folder stays
// nobody's: the queue will not start, and says more.
func (a *App) movePlace(ctx context.Context, from, to string) (bool, error) {
	all, err := a.store.Leases.Instances(ctx)
	if err != nil {
		return false, fmt.Errorf("look for other instances: %w", err)
	}
	for _, i := range all {
		switch {
		case i.HostID == a.hostID() || a.exclusive():
		case !a.shared:
			return false, nil
		default:
			return false, fault.Newf(fault.OtherInstance, "instance %s on %s (pid %d) uses this database and keeps artifacts in another place than %s",
				i.ID, i.Hostname, i.Pid, a.placeText()).
				WithHint("give both the same blob_url (--blob-url), and make sure that it leads to the same folder on both machines; to move, stop the other one first")
		}
	}
	a.log.Warn("the place of artifacts is new: content of earlier runs must be copied to it", "place", a.placeText())
	err = a.store.Artifacts.MovePlace(ctx, from, to)
	return err == nil, err
}

func (a *App) placeText() string {
	if a.o.Config.BlobURL != "" {
		return a.o.Config.BlobURL
	}
	return "the data folder"
}
