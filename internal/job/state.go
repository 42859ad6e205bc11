package job

import (
	"time"

	"github.com/runsheet/runsheet/internal/fsm"
	"github.com/runsheet/runsheet/internal/rank"
)

// State is where a job is in its life.
type State string

// The states. A job that left the queue by finishing has its final run's
// result as its state.
const (
	// Queued waits in the order; a claim or a cancel moves it. People see why
	// it waits in "waiting" (held, delayed, behind others, ...).
	Queued State = "QUEUED"
	// Running has one attempt on an instance; that instance, or a rescue after
	// its death, moves it.
	Running State = "RUNNING"
	// Completed ended well. Nothing moves it.
	Completed State = "COMPLETED"
	// Failed ended badly, and no attempt is left. Nothing moves it; a retry is
	// a new job.
	Failed State = "FAILED"
	// Skipped ended without work to do, by its own word. Nothing moves it.
	Skipped State = "SKIPPED"
	// Cancelled was stopped by a person; its process tree is gone. If it never
	// started, a person can put it back; otherwise nothing moves it.
	Cancelled State = "CANCELLED"
)

// States lists all states, living ones first.
func States() []State { return []State{Queued, Running, Completed, Failed, Skipped, Cancelled} }

// Terminal reports whether nothing can move s any more.
func (s State) Terminal() bool { return s != Queued && s != Running }

// Events. Each is a fact that the table turns into a Change.
type (
	// Claimed gives the job's next attempt to an instance.
	Claimed struct {
		At              time.Time
		RunID, Instance string
		Epoch           int64
	}
	// Succeeded ends the attempt well.
	Succeeded struct{ At time.Time }
	// Passed ends the attempt without work to do.
	Passed struct {
		At     time.Time
		Reason string
	}
	// Broke ends the attempt badly.
	Broke struct {
		At      time.Time
		Failure Failure
		// Fatal forbids further attempts.
		Fatal bool
		// After is the least delay before the next attempt; 0 leaves it to the policy.
		After time.Duration
		// Jitter is a random number in [0,1) that spreads the delay.
		Jitter float64
	}
	// CancelAsked is a person's wish to end the job.
	CancelAsked struct {
		At time.Time
		By string
	}
	// Interrupted ends the attempt because its instance died.
	Interrupted struct{ At time.Time }
	// Returned gives the attempt back because the server stops in good order, or
	// cannot make it now. The next one comes no sooner than After.
	Returned struct {
		At    time.Time
		After time.Duration
	}
	// Held keeps a waiting job from starting.
	Held struct {
		At     time.Time
		By     string
		Reason string // the person's words; "" = none
	}
	// Released lets a held job start again.
	Released struct{ At time.Time }
	// Edited replaces what a person may change while the job waits. Nil leaves a
	// field as it is; zero times take theirs away.
	Edited struct {
		At            time.Time
		Name          *string
		Timeout       *time.Duration
		Priority      *int
		Labels        map[string]string
		NotBefore     *time.Time
		StartDeadline *time.Time
		Work          *Work
	}
	// Work is what a job that has not started is to do instead: its params, and what
	// was made from them.
	Work struct {
		Params    []byte
		Locks     []string
		Limits    Limits
		UniqueKey string
	}
	// Placed gives the job another rank: a person moved it. It is announced by the
	// order as a whole, not by the job.
	Placed struct {
		At   time.Time
		Rank rank.Rank
	}
	// Due ends the delay of a job: its time has come.
	Due struct{ At time.Time }
	// Dropped ends a waiting job without an attempt.
	Dropped struct {
		At     time.Time
		Reason string
		// RunID is the run by which the history shows it.
		RunID string
	}
	// Restored puts a cancelled job that never started back at its old place.
	Restored struct{ At time.Time }
	// Approved is the approval that the job waits for.
	Approved struct{ At time.Time }
	// Rerequested puts another approval in the place of the one that it waits for.
	Rerequested struct {
		At         time.Time
		ApprovalID string
		Until      time.Time
	}
	// Grouped makes the job a member of a group, at the given rank inside of its place.
	// It is announced by the order as a whole, as Placed is.
	Grouped struct {
		At      time.Time
		GroupID string
		Rank    rank.Rank
	}
	// Ungrouped takes a waiting member out of its group and gives it a place of its own.
	Ungrouped struct {
		At   time.Time
		Rank rank.Rank
	}
	// GroupBegan says that the job's group has its slot.
	GroupBegan struct{ At time.Time }
	// Parked gives the slot of a durable run back while it waits for something: until
	// it is woken, or Until comes (zero = it does not). With Locks it waits for nothing
	// but these, in the order.
	Parked struct {
		At    time.Time
		For   string
		Until time.Time
		Locks []string // sorted, no duplicates
		// CancelSeen says that the run knows of the cancel that was asked. One that does
		// not goes on at once.
		CancelSeen bool
	}
	// Woken lets a run go on that was parked, or that waits for ResumeLocks: there is
	// something else to do.
	Woken struct{ At time.Time }
)

// Table is the job's state machine.
var Table = fsm.New[State, Job, Change](func(j Job) State { return j.State },
	fsm.On[Claimed](fsm.From(Queued), fsm.When("not held or parked, and approved", notHeld), fsm.To(Running), fsm.Do(claim)),
	fsm.On[Succeeded](fsm.From(Running), fsm.To(Completed), fsm.Do(succeed)),
	fsm.On[Passed](fsm.From(Running), fsm.To(Skipped), fsm.Do(pass)),
	fsm.On[Broke](fsm.From(Running), fsm.When("cancel asked", brokeCancelled), fsm.To(Cancelled), fsm.Do(stop)),
	fsm.On[Broke](fsm.From(Running), fsm.When("attempts left", attemptsLeft), fsm.To(Queued), fsm.Do(retry)),
	fsm.On[Broke](fsm.From(Running), fsm.To(Failed), fsm.Do(fail)),
	fsm.On[CancelAsked](fsm.From(Queued), fsm.When("its run goes on", cancelResuming), fsm.To(Queued), fsm.Do(askWaiting)),
	fsm.On[CancelAsked](fsm.From(Queued), fsm.To(Cancelled), fsm.Do(withdraw)),
	fsm.On[CancelAsked](fsm.From(Running), fsm.To(Running), fsm.Do(askCancel)),
	fsm.On[Interrupted](fsm.From(Running), fsm.When("crash policy resume", crashResume), fsm.To(Queued), fsm.Do(resumeCrashed)),
	fsm.On[Interrupted](fsm.From(Running), fsm.When("cancel asked", crashCancelled), fsm.To(Cancelled), fsm.Do(stopCrashed)),
	fsm.On[Interrupted](fsm.From(Running), fsm.When("crash policy retry", crashRetry), fsm.To(Queued), fsm.Do(requeueCrashed)),
	fsm.On[Interrupted](fsm.From(Running), fsm.To(Failed), fsm.Do(failCrashed)),
	fsm.On[Returned](fsm.From(Running), fsm.When("crash policy resume", returnResume), fsm.To(Queued), fsm.Do(resumeReturned)),
	fsm.On[Returned](fsm.From(Running), fsm.When("cancel asked", returnCancelled), fsm.To(Cancelled), fsm.Do(stopReturned)),
	fsm.On[Returned](fsm.From(Running), fsm.To(Queued), fsm.Do(giveBack)),
	fsm.On[Held](fsm.From(Queued), fsm.To(Queued), fsm.Do(hold)),
	fsm.On[Released](fsm.From(Queued), fsm.To(Queued), fsm.Do(release)),
	fsm.On[Edited](fsm.From(Queued), fsm.When("no times of a run that goes on, no work of one that began or waits for an approval", editable), fsm.To(Queued), fsm.Do(edit)),
	fsm.On[Placed](fsm.From(Queued), fsm.To(Queued), fsm.Do(place)),
	fsm.On[Due](fsm.From(Queued), fsm.To(Queued), fsm.Do(due)),
	fsm.On[Dropped](fsm.From(Queued), fsm.When("no run goes on", dropable), fsm.To(Skipped), fsm.Do(drop)),
	fsm.On[Restored](fsm.From(Cancelled), fsm.When("never started", neverStarted), fsm.To(Queued), fsm.Do(restore)),
	fsm.On[Approved](fsm.From(Queued), fsm.When("waits for an approval", waitsForApproval), fsm.To(Queued), fsm.Do(approve)),
	fsm.On[Rerequested](fsm.From(Queued), fsm.When("waits for an approval", stillWaits), fsm.To(Queued), fsm.Do(rerequest)),
	fsm.On[Grouped](fsm.From(Queued), fsm.When("in no group, no run goes on, waits for no approval, no workflow run's", groupable), fsm.To(Queued), fsm.Do(enterGroup)),
	fsm.On[Ungrouped](fsm.From(Queued), fsm.When("a member whose run does not go on", member), fsm.To(Queued), fsm.Do(leaveGroup)),
	fsm.On[GroupBegan](fsm.From(Queued), fsm.To(Queued), fsm.Do(groupBegan)),
	fsm.On[Parked](fsm.From(Running), fsm.When("crash policy resume", mayPark), fsm.To(Queued), fsm.Do(park)),
	fsm.On[Woken](fsm.From(Queued), fsm.When("its run goes on", mayWake), fsm.To(Queued), fsm.Do(wake)),
)
