package control

import (
	"testing"
	"time"

	"busbar.example/acsi"
)

// Conformance: sDOns1-sDOns3.
func TestDirectWithNormalSecurity(t *testing.T) {
	t.Run("done", func(t *testing.T) {
		newRig(Settings{Model: DirectNormal}).play(t, `
			1 operate on      -> ask operating [deciding opRcvd]
			answer none       -> reply none; ask executing [executing opRcvd opOk]
			answer none       -> [ready]
			2 operate off n=2 -> ask operating [deciding opRcvd]`)
	})
	t.Run("refused", func(t *testing.T) {
		newRig(Settings{Model: DirectNormal}).play(t, `
			1 operate on                    -> ask operating [deciding opRcvd]
			answer blocked-by-interlocking  -> reply blocked-by-interlocking [ready]
			1 select                        -> reply not-supported [ready]
			1 sbow on                       -> reply not-supported [ready]
			1 cancel on                     -> reply object-not-selected [ready]`)
	})
	t.Run("fails: nobody is told", func(t *testing.T) {
		newRig(Settings{Model: DirectNormal}).play(t, `
			1 operate on            -> ask operating [deciding opRcvd]
			answer none             -> reply none; ask executing [executing opRcvd opOk]
			answer invalid-position -> [ready]`)
	})
	t.Run("at a time", func(t *testing.T) {
		newRig(Settings{Model: DirectNormal}).play(t, `
			1 operate on at=5 -> ask arming [deciding opRcvd]
			answer none       -> reply none [armed opRcvd]
			wait 4s           -> [armed opRcvd]
			wait 1s           -> ask operating [deciding opRcvd]
			answer none       -> end 1 none; ask executing [executing opRcvd opOk]
			answer none       -> [ready]`)
	})
	t.Run("at a time, refused then", func(t *testing.T) {
		newRig(Settings{Model: DirectNormal}).play(t, `
			1 operate on at=5               -> ask arming [deciding opRcvd]
			answer none                     -> reply none [armed opRcvd]
			wait 5s                         -> ask operating [deciding opRcvd]
			answer blocked-by-synchrocheck  -> end 1 blocked-by-synchrocheck [ready]`)
	})
}

// Conformance: sCtl27.
func TestOperateAtATime(t *testing.T) {
	t.Run("which is over", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced}).play(t, `
			wait 10s           -> [ready]
			1 operate on at=10 -> reply time-limit-over [ready]`)
	})
	t.Run("no longer allowed when it comes", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced}).play(t, `
			1 operate on at=5 -> ask arming [deciding opRcvd]
			answer none       -> reply none [armed opRcvd]
			given local       -> [armed opRcvd]
			wait 5s           -> end 1 blocked-by-switching-hierarchy [ready]`)
	})
	t.Run("not kept", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced}).play(t, `
			1 operate on at=5     -> ask arming [deciding opRcvd]
			answer not-supported  -> reply not-supported [ready]`)
	})
	t.Run("cancelled before", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced}).play(t, `
			1 operate on at=5     -> ask arming [deciding opRcvd]
			answer none           -> reply none [armed opRcvd]
			2 operate on          -> reply command-already-in-execution [armed opRcvd]
			2 cancel on at=5      -> reply locked-by-other-client [armed opRcvd]
			1 cancel on at=6      -> reply inconsistent-parameters [armed opRcvd]
			1 cancel on at=5      -> reply none; end 1 abortion-by-cancel [ready]
			wait 5s               -> [ready]`)
	})
	t.Run("one termination with enhanced security", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced}).play(t, `
			1 operate on at=5 -> ask arming [deciding opRcvd]
			answer none       -> reply none [armed opRcvd]
			wait 5s           -> ask operating [deciding opRcvd]
			answer none       -> ask executing [executing opRcvd opOk]
			answer none       -> end 1 none [ready]`)
	})
	t.Run("selected until then, however long it takes", func(t *testing.T) {
		newRig(Settings{Model: SBOEnhanced, SBOTimeout: time.Second}).play(t, `
			1 sbow on at=60    -> ask selecting [selecting]
			answer none        -> reply none [selected stSeld]
			1 operate on       -> reply inconsistent-parameters; ask deselected [ready]
			1 sbow on at=60    -> ask selecting [selecting]
			answer none        -> reply none [selected stSeld]
			1 operate on at=60 -> ask arming [deciding stSeld opRcvd]
			answer none        -> reply none [armed stSeld opRcvd]
			wait 59s           -> [armed stSeld opRcvd]
			wait 1s            -> ask operating [deciding stSeld opRcvd]
			answer none        -> ask executing [executing stSeld opRcvd opOk]
			answer none        -> end 1 none; ask deselected [ready]`)
	})
	t.Run("after its client has gone", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced}).play(t, `
			1 operate on at=5 -> ask arming [deciding opRcvd]
			answer none       -> reply none [armed opRcvd]
			gone 1            -> [armed opRcvd]
			wait 5s           -> ask operating [deciding opRcvd]
			answer none       -> ask executing [executing opRcvd opOk]
			answer none       -> [ready]`)
	})
	t.Run("cancelled by another once its client has gone", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced}).play(t, `
			1 operate on at=5 -> ask arming [deciding opRcvd]
			answer none       -> reply none [armed opRcvd]
			gone 1            -> [armed opRcvd]
			2 cancel on at=5  -> reply none [ready]`)
	})
}

// Conformance: sSBOns2-sSBOns6.
func TestSelectWithNormalSecurity(t *testing.T) {
	t.Run("select and operate", func(t *testing.T) {
		newRig(Settings{Model: SBONormal}).play(t, `
			1 select        -> ask selecting [selecting]
			answer none     -> reply none [selected stSeld]
			1 operate off   -> ask operating [deciding stSeld opRcvd]
			answer none     -> reply none; ask executing [executing stSeld opRcvd opOk]
			answer none     -> ask deselected [ready]`)
	})
	t.Run("select and cancel", func(t *testing.T) {
		newRig(Settings{Model: SBONormal}).play(t, `
			1 select           -> ask selecting [selecting]
			answer none        -> reply none [selected stSeld]
			1 cancel off n=9   -> reply none; ask deselected [ready]`)
	})
	t.Run("the selection ends by itself", func(t *testing.T) {
		newRig(Settings{Model: SBONormal}).play(t, `
			1 select        -> ask selecting [selecting]
			answer none     -> reply none [selected stSeld]
			wait 29999ms    -> [selected stSeld]
			wait 1ms        -> ask deselected [ready]
			1 operate on    -> reply object-not-selected [ready]`)
	})
	t.Run("selection refused", func(t *testing.T) {
		newRig(Settings{Model: SBONormal}).play(t, `
			1 select               -> ask selecting [selecting]
			answer 1-of-n-control  -> reply 1-of-n-control [ready]
			1 sbow on              -> reply not-supported [ready]
			given off              -> [ready]
			1 select               -> reply blocked-by-mode [ready]`)
	})
	t.Run("operate refused", func(t *testing.T) {
		newRig(Settings{Model: SBONormal}).play(t, `
			1 select                 -> ask selecting [selecting]
			answer none              -> reply none [selected stSeld]
			1 operate on             -> ask operating [deciding stSeld opRcvd]
			answer blocked-by-process -> reply blocked-by-process; ask deselected [ready]`)
	})
}

// Conformance: sDOes1-sDOes5.
func TestDirectWithEnhancedSecurity(t *testing.T) {
	t.Run("done", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced}).play(t, `
			1 operate on  -> ask operating [deciding opRcvd]
			answer none   -> reply none; ask executing [executing opRcvd opOk]
			answer none   -> end 1 none [ready]`)
	})
	t.Run("refused", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced}).play(t, `
			1 operate on               -> ask operating [deciding opRcvd]
			answer blocked-by-process  -> reply blocked-by-process [ready]`)
	})
	t.Run("takes too long", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced, OperTimeout: 2 * time.Second}).play(t, `
			1 operate on     -> ask operating [deciding opRcvd]
			answer none      -> reply none; ask executing [executing opRcvd opOk]
			wait 1999ms      -> [executing opRcvd opOk]
			wait 1ms         -> stop; end 1 time-limit-over [ready]
			answer none      -> [ready]`)
	})
	t.Run("reaches no good position", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced}).play(t, `
			1 operate on             -> ask operating [deciding opRcvd]
			answer none              -> reply none; ask executing [executing opRcvd opOk]
			answer invalid-position  -> end 1 invalid-position [ready]`)
	})
	t.Run("its client goes", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced}).play(t, `
			1 operate on -> ask operating [deciding opRcvd]
			answer none  -> reply none; ask executing [executing opRcvd opOk]
			gone 1       -> [executing opRcvd opOk]
			answer none  -> [ready]`)
	})
	t.Run("its client goes before it is accepted", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced}).play(t, `
			1 operate on -> ask operating [deciding opRcvd]
			gone 1       -> [deciding opRcvd]
			answer none  -> reply abortion-by-communication-loss [ready]`)
	})
}

// Conformance: sSBOes1-sSBOes8.
func TestSelectWithEnhancedSecurity(t *testing.T) {
	const chosen = `
		1 sbow on n=7 lock -> ask selecting [selecting]
		answer none        -> reply none [selected stSeld]`
	for _, c := range []struct{ name, script string }{
		{"select with value and operate", `
			1 operate on n=7 lock -> ask operating [deciding stSeld opRcvd]
			answer none           -> reply none; ask executing [executing stSeld opRcvd opOk]
			answer none           -> end 1 none; ask deselected [ready]`},
		{"cancel", `
			1 cancel on n=7       -> reply none; ask deselected [ready]
			1 operate on n=7 lock -> reply object-not-selected [ready]`},
		{"cancel of another command", `
			1 cancel on n=8        -> reply inconsistent-parameters [selected stSeld]
			1 cancel off n=7       -> reply inconsistent-parameters [selected stSeld]
			1 cancel on n=7 id=him -> reply inconsistent-parameters [selected stSeld]`},
		{"time over", `
			wait 30s               -> ask deselected [ready]`},
		{"fails", `
			1 operate on n=7 lock  -> ask operating [deciding stSeld opRcvd]
			answer none            -> reply none; ask executing [executing stSeld opRcvd opOk]
			answer abortion-by-trip -> end 1 abortion-by-trip; ask deselected [ready]`},
		{"takes too long", `
			1 operate on n=7 lock  -> ask operating [deciding stSeld opRcvd]
			answer none            -> reply none; ask executing [executing stSeld opRcvd opOk]
			wait 10s               -> stop; end 1 time-limit-over; ask deselected [ready]`},
		{"Test differs", `
			1 operate on n=7 lock test -> reply inconsistent-parameters; ask deselected [ready]`},
		{"the client goes", `
			gone 1                 -> ask deselected [ready]`},
		{"another client goes", `
			gone 2                 -> [selected stSeld]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			newRig(Settings{Model: SBOEnhanced}).play(t, chosen+c.script)
		})
	}
	t.Run("the client goes while it selects", func(t *testing.T) {
		newRig(Settings{Model: SBOEnhanced}).play(t, `
			1 sbow on   -> ask selecting [selecting]
			gone 1      -> [selecting]
			answer none -> reply abortion-by-communication-loss; ask deselected [ready]`)
	})
}

// Conformance: sCtlN8.
func TestOperateDiffersFromSelect(t *testing.T) {
	for _, operate := range []string{"off", "on n=2", "on cat=2", "on id=him", "on test", "on sync", "on lock", "on T=59", "on T=60 at=90"} {
		t.Run(operate, func(t *testing.T) {
			newRig(Settings{Model: SBOEnhanced}).play(t, `
				1 sbow on T=60 -> ask selecting [selecting]
				answer none    -> reply none [selected stSeld]
				1 operate `+operate+` -> reply inconsistent-parameters; ask deselected [ready]`)
		})
	}
	t.Run("T goes on", func(t *testing.T) {
		newRig(Settings{Model: SBOEnhanced}).play(t, `
			1 sbow on T=60    -> ask selecting [selecting]
			answer none       -> reply none [selected stSeld]
			1 operate on T=62 -> ask operating [deciding stSeld opRcvd]`)
	})
}

// Conformance: sCtl1, sCtlN1, sCtlN2, sCtlN4, sCtlN6.
func TestOneSelectionAndItsClientOnly(t *testing.T) {
	t.Run("operate without select", func(t *testing.T) {
		newRig(Settings{Model: SBOEnhanced}).play(t, `
			1 operate on  -> reply object-not-selected [ready]
			1 cancel on   -> reply object-not-selected [ready]
			1 sbow on     -> ask selecting [selecting]
			1 operate on  -> reply object-not-selected [selecting]`)
	})
	t.Run("select twice, and by another", func(t *testing.T) {
		newRig(Settings{Model: SBOEnhanced}).play(t, `
			1 sbow on     -> ask selecting [selecting]
			2 sbow on     -> reply object-already-selected [selecting]
			answer none   -> reply none [selected stSeld]
			1 sbow on     -> reply object-already-selected [selected stSeld]
			2 sbow on     -> reply object-already-selected [selected stSeld]
			2 operate on  -> reply locked-by-other-client [selected stSeld]
			2 cancel on   -> reply locked-by-other-client [selected stSeld]`)
	})
	t.Run("operate twice", func(t *testing.T) {
		newRig(Settings{Model: DirectNormal}).play(t, `
			1 operate on  -> ask operating [deciding opRcvd]
			1 operate on  -> reply command-already-in-execution [deciding opRcvd]
			answer none   -> reply none; ask executing [executing opRcvd opOk]
			1 operate on  -> reply command-already-in-execution [executing opRcvd opOk]
			answer none   -> [ready]`)
	})
}

// Conformance: sCtl26.
func TestWhileTheChangeIsAwaited(t *testing.T) {
	newRig(Settings{Model: SBOEnhanced}).play(t, `
		1 sbow on    -> ask selecting [selecting]
		1 cancel on  -> reply command-already-in-execution [selecting]
		answer none  -> reply none [selected stSeld]
		1 operate on -> ask operating [deciding stSeld opRcvd]
		answer none  -> reply none; ask executing [executing stSeld opRcvd opOk]
		1 cancel on  -> reply command-already-in-execution [executing stSeld opRcvd opOk]
		1 sbow on    -> reply command-already-in-execution [executing stSeld opRcvd opOk]
		1 operate on -> reply command-already-in-execution [executing stSeld opRcvd opOk]
		late none    -> [executing stSeld opRcvd opOk]
		answer none  -> end 1 none; ask deselected [ready]`)
}

// Conformance: sCtl8-sCtl15.
func TestOnceAndMany(t *testing.T) {
	const chosen = `
		1 sbow on    -> ask selecting [selecting]
		answer none  -> reply none [selected stSeld]
		1 operate on -> ask operating [deciding stSeld opRcvd]
		answer none  -> reply none; ask executing [executing stSeld opRcvd opOk]`
	t.Run("many", func(t *testing.T) {
		newRig(Settings{Model: SBOEnhanced, Many: true}).play(t, chosen+`
			wait 9s           -> [executing stSeld opRcvd opOk]
			answer none       -> end 1 none [selected stSeld]
			wait 29s          -> [selected stSeld]
			1 operate off n=2 -> ask operating [deciding stSeld opRcvd]
			answer blocked-by-process -> reply blocked-by-process [selected stSeld]
			1 operate off n=3 -> ask operating [deciding stSeld opRcvd]
			answer none       -> reply none; ask executing [executing stSeld opRcvd opOk]
			answer none       -> end 1 none [selected stSeld]
			given local       -> [selected stSeld]
			1 operate on n=4  -> reply blocked-by-switching-hierarchy [selected stSeld]
			wait 30s          -> ask deselected [ready]`)
	})
	t.Run("once", func(t *testing.T) {
		newRig(Settings{Model: SBOEnhanced}).play(t, chosen+`
			answer none       -> end 1 none; ask deselected [ready]
			1 operate off n=2 -> reply object-not-selected [ready]`)
	})
	t.Run("many, and the client goes", func(t *testing.T) {
		newRig(Settings{Model: SBOEnhanced, Many: true}).play(t, chosen+`
			gone 1            -> [executing stSeld opRcvd opOk]
			answer none       -> ask deselected [ready]`)
	})
}

// Conformance: sCtl8-sCtl15.
func TestPulses(t *testing.T) {
	pulses := Pulse{On: 100 * time.Millisecond, Off: 50 * time.Millisecond, Count: 2}
	t.Run("go on after the process has done", func(t *testing.T) {
		r := newRig(Settings{Model: DirectEnhanced, Pulse: pulses})
		r.play(t, `
			1 operate on -> ask operating [deciding opRcvd]
			answer none  -> reply none; ask executing [executing opRcvd opOk]
			answer none  -> end 1 none [pulsing opRcvd opOk]
			1 operate on -> reply command-already-in-execution [pulsing opRcvd opOk]`)
		if got, want := r.m.Next(), noon.Add(100*time.Millisecond); !got.Equal(want) {
			t.Errorf("Next %v, want the end of the first pulse, %v", got, want)
		}
		r.play(t, `
			wait 100ms   -> [pulsing opRcvd]
			wait 49ms    -> [pulsing opRcvd]
			wait 1ms     -> [pulsing opRcvd opOk]
			wait 99ms    -> [pulsing opRcvd opOk]
			wait 1ms     -> [ready]
			1 operate on -> ask operating [deciding opRcvd]`)
	})
	t.Run("end before the process has done", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced, Pulse: pulses}).play(t, `
			1 operate on -> ask operating [deciding opRcvd]
			answer none  -> reply none; ask executing [executing opRcvd opOk]
			wait 1s      -> [executing opRcvd]
			answer none  -> end 1 none [ready]`)
	})
	t.Run("end where the process fails", func(t *testing.T) {
		newRig(Settings{Model: DirectEnhanced, Pulse: pulses}).play(t, `
			1 operate on -> ask operating [deciding opRcvd]
			answer none  -> reply none; ask executing [executing opRcvd opOk]
			answer abortion-by-trip -> end 1 abortion-by-trip [ready]`)
	})
	t.Run("however many and short", func(t *testing.T) {
		r := newRig(Settings{Model: DirectNormal, Pulse: Pulse{On: time.Millisecond, Count: 1<<32 - 1}})
		r.play(t, `
			1 operate on -> ask operating [deciding opRcvd]
			answer none  -> reply none; ask executing [executing opRcvd opOk]
			wait 10s     -> stop [ready]`)
	})
}

// Conformance: sCtlN9-sCtlN11.
func TestModelWhileSelectedAndStatusOnly(t *testing.T) {
	t.Run("status only", func(t *testing.T) {
		newRig(Settings{}).play(t, `
			1 select     -> reply not-supported [ready]
			1 sbow on    -> reply not-supported [ready]
			1 operate on -> reply not-supported [ready]
			1 cancel on  -> reply not-supported [ready]`)
	})
	t.Run("the model stays while the object is selected", func(t *testing.T) {
		r := newRig(Settings{Model: SBOEnhanced})
		r.play(t, `1 sbow on -> ask selecting [selecting]`)
		if r.m.Configure(Settings{Model: DirectNormal}) || r.m.Idle() {
			t.Error("the model was changed during a selection")
		}
		r.play(t, `
			answer none -> reply none [selected stSeld]
			1 cancel on -> reply none; ask deselected [ready]`)
		if !r.m.Configure(Settings{Model: DirectNormal}) || !r.m.Idle() {
			t.Error("the model was not changed after the selection")
		}
		r.play(t, `1 operate on -> ask operating [deciding opRcvd]`)
	})
}

// Conformance: sCtlN3.
func TestPositionReached(t *testing.T) {
	newRig(Settings{Model: SBOEnhanced}).play(t, `
		given reached -> [ready]
		1 sbow on     -> reply position-reached [ready]`)
	newRig(Settings{Model: DirectNormal}).play(t, `
		given reached -> [ready]
		1 operate on  -> reply position-reached [ready]
		given limit   -> [ready]
		1 operate on  -> reply step-limit [ready]
		given outside -> [ready]
		1 operate on  -> reply inconsistent-parameters [ready]
		given alarm   -> [ready]
		1 operate on  -> reply blocked-by-health [ready]`)
}

// Conformance: sCtl4-sCtl6.
func TestStatusShowsWhoseCommandItIs(t *testing.T) {
	r := newRig(Settings{Model: DirectEnhanced})
	r.play(t, `
		1 operate on n=9 cat=2 id=hmi -> ask operating [deciding opRcvd]
		answer none                   -> reply none; ask executing [executing opRcvd opOk]
		answer none                   -> end 1 none [ready]
		1 operate on n=10             -> ask operating [deciding opRcvd]
		answer blocked-by-process     -> reply blocked-by-process [ready]`)
	want := Status{TOpOk: noon, Origin: acsi.Origin{Cat: acsi.OrStationControl, Ident: "hmi"}, CtlNum: 9}
	if got := r.m.Status(); got != want {
		t.Errorf("status %+v, want that of the command that was accepted, %+v", got, want)
	}
}
