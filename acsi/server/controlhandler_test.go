package server

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// controlled runs f with an engine of controlModel in a bubble, with its time.
func controlled(t *testing.T, app *application, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		app.working = make(chan func() acsi.AddCause) // of the bubble
		b := &bench{}
		e, err := New(Config{Model: controlModel(t), Control: app.control})
		if err != nil {
			t.Fatal(err)
		}
		b.Engine = e
		ctx, cancel := context.WithCancel(bg)
		done := make(chan struct{})
		go func() { e.Run(ctx); close(done) }()
		defer func() { cancel(); <-done }()
		f(t, b)
	})
}

// Conformance: sCtl7, sDOes1, sSBOes1, sSBOes5.
func TestTheApplicationDecidesAndDoes(t *testing.T) {
	app := &application{waits: true}
	controlled(t, app, func(t *testing.T, b *bench) {
		s := b.as(rbac.Operator)
		o := order{v: on, num: 5, sync: true, lock: true, t: time.Now().Truncate(time.Second)}
		is(t, "select", send(t, s, pos, "SBOw", o), "")
		is(t, "operate", send(t, s, pos, "Oper", o), "")
		synctest.Wait()
		is(t, "heard", app.phases(), "selecting operating executing")
		is(t, "told so far", strings.Join(toldOf(t, s), "; "), "")
		shows(t, b, pos+".opOk[OR]", "true")
		c := app.heard[2]
		if c.Ref != acsi.MustRef(pos) || c.CDC != "DPC" || !c.Value.Bool() || c.Origin != (acsi.Origin{Cat: acsi.OrRemoteControl, Ident: "ems"}) ||
			c.CtlNum != 5 || !c.Synchro || !c.Interlock || c.Test || !c.T.Equal(o.t) || c.Subject.Name != "ann@dso.example" {
			t.Errorf("the application hears %+v", c)
		}
		app.working <- func() acsi.AddCause { return acsi.Done }
		synctest.Wait()
		is(t, "told", strings.Join(toldOf(t, s), "; "), pos+".Oper[CO] +")
		shows(t, b, pos+".stVal[ST]", "bit-string 01") // what the application has not set has not changed
	})
}

// Conformance: sCtl7, sDOns2, sDOes2, sSBOns4, sSBOes2.
func TestTheCauseOfTheApplicationReachesThePeer(t *testing.T) {
	for _, c := range []struct {
		phase         Phase
		cause         acsi.AddCause
		do, service   string
		want, wantErr string
	}{
		{Selecting, acsi.OneOfNControl, pos, "SBOw", "1-of-n-control", "temporarily-unavailable"},
		{Operating, acsi.BlockedByInterlocking, ggio + "ISCSO1", "Oper", "blocked-by-interlocking", "temporarily-unavailable"},
		{Operating, acsi.BlockedBySynchrocheck, pulse, "Oper", "blocked-by-synchrocheck", "temporarily-unavailable"},
		{Operating, acsi.BlockedByHealth, pulse, "Oper", "blocked-by-health", "hardware-fault"},
	} {
		t.Run(c.cause.String(), func(t *testing.T) {
			app := &application{answer: map[Phase]acsi.AddCause{c.phase: c.cause}}
			controlled(t, app, func(t *testing.T, b *bench) {
				v := on
				if strings.HasSuffix(c.do, "ISCSO1") {
					v = value.Int(3)
				}
				err := sendIn(bg, t, b.as(rbac.Operator), c.do, c.service, order{v: v})
				is(t, "cause", causeOf(t, err), c.want)
				is(t, "code", codeOf(err), c.wantErr)
				if f := err.(*acsi.Error).Control; f.Error != 3 {
					t.Errorf("Error %d, want that the test of the operator has failed", f.Error)
				}
			})
		})
	}
}

// Conformance: sDOes3-sDOes5, sSBOes4, sSBOes6.
func TestTheProcessFails(t *testing.T) {
	t.Run("says why", func(t *testing.T) {
		app := &application{answer: map[Phase]acsi.AddCause{Executing: acsi.InvalidPosition}}
		controlled(t, app, func(t *testing.T, b *bench) {
			s := b.as(rbac.Operator)
			is(t, "operate", send(t, s, ggio+"ISCSO1", "Oper", order{v: value.Int(3), num: 9}), "")
			synctest.Wait()
			n, err := s.(*session).take()
			end, ok := n.(*acsi.Termination)
			if err != nil || !ok || end.Failure == nil || !end.Oper.IsValid() {
				t.Fatalf("told %+v %v", n, err)
			}
			want := acsi.ControlFailure{Object: "CTLLD0/GGIO1$CO$ISCSO1$Oper", Error: 1, Origin: acsi.Origin{Cat: 3, Ident: "ems"}, CtlNum: 9, Cause: acsi.InvalidPosition}
			if *end.Failure != want {
				t.Errorf("told %+v, want %+v", *end.Failure, want)
			}
		})
	})
	t.Run("is too slow", func(t *testing.T) {
		app := &application{waits: true}
		controlled(t, app, func(t *testing.T, b *bench) {
			s := b.as(rbac.Operator)
			is(t, "operate", send(t, s, ggio+"ISCSO1", "Oper", order{v: value.Int(3)}), "")
			time.Sleep(5 * time.Second) // operTimeout
			synctest.Wait()
			is(t, "told", strings.Join(toldOf(t, s), "; "), ggio+"ISCSO1.Oper[CO] time-limit-over")
			is(t, "again", send(t, s, ggio+"ISCSO1", "Oper", order{v: value.Int(3)}), "")
		})
	})
	t.Run("its client has gone", func(t *testing.T) {
		app := &application{waits: true}
		controlled(t, app, func(t *testing.T, b *bench) {
			ann, bob := b.as(rbac.Operator), b.as(rbac.Operator)
			is(t, "operate", send(t, ann, ggio+"ISCSO1", "Oper", order{v: value.Int(3)}), "")
			if err := ann.Close(bg); err != nil {
				t.Fatal(err)
			}
			is(t, "bob", send(t, bob, ggio+"ISCSO1", "Oper", order{v: value.Int(3)}), "command-already-in-execution")
			app.working <- func() acsi.AddCause { return acsi.Done }
			synctest.Wait()
			is(t, "bob is told", strings.Join(toldOf(t, bob), "; "), "")
			is(t, "bob", send(t, bob, ggio+"ISCSO1", "Oper", order{v: value.Int(3)}), "")
		})
	})
}

func TestTheApplicationHearsThatASelectionEnds(t *testing.T) {
	app := &application{}
	controlled(t, app, func(t *testing.T, b *bench) {
		s := b.as(rbac.Operator)
		is(t, "select", send(t, s, pos, "SBOw", order{v: on}), "")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		is(t, "heard", app.phases(), "selecting deselected")
		is(t, "select", get(t, s, ggio+"SPCSO1.SBO[CO]").Text(), "CTLLD0/GGIO1$CO$SPCSO1")
		is(t, "cancel", send(t, s, ggio+"SPCSO1", "Cancel", order{v: on}), "")
		synctest.Wait()
		is(t, "heard", app.phases(), "selecting deselected selecting deselected")
	})
}

// Conformance: sCtl27.
func TestTheApplicationIsAskedAgainWhenTheTimeComes(t *testing.T) {
	app := &application{}
	controlled(t, app, func(t *testing.T, b *bench) {
		s := b.as(rbac.Operator)
		is(t, "operate", send(t, s, pulse, "Oper", order{v: on, at: time.Now().Add(time.Minute)}), "")
		is(t, "heard", app.phases(), "arming")
		app.mu.Lock()
		app.answer = map[Phase]acsi.AddCause{Operating: acsi.BlockedByProcess}
		app.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		is(t, "heard", app.phases(), "arming operating")
		is(t, "told", strings.Join(toldOf(t, s), "; "), pulse+".Oper[CO] blocked-by-process (not begun)")
	})
}

// A handler that takes its time holds up its own command, and nothing else.
func TestOthersGoOnWhileTheApplicationIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, answer := make(chan struct{}), make(chan acsi.AddCause)
		e, err := New(Config{Model: controlModel(t), Control: func(context.Context, Command) acsi.AddCause {
			asked <- struct{}{}
			return <-answer
		}})
		if err != nil {
			t.Fatal(err)
		}
		ann, bob := e.Services(subject(rbac.Operator)), e.Services(subject(rbac.Operator))
		selected := make(chan string)
		go func() { selected <- get(t, ann, ggio+"SPCSO1.SBO[CO]").Text() }()
		<-asked
		is(t, "bob", get(t, bob, ggio+"SPCSO1.SBO[CO]").Text(), "")
		is(t, "bob reads", get(t, bob, pos+".stVal[ST]").String(), "bit-string 01")
		answer <- acsi.Done
		is(t, "ann", <-selected, "CTLLD0/GGIO1$CO$SPCSO1")
	})
}
