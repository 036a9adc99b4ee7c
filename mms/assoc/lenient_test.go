package assoc

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/mms"
)

// What real clients propose in IEC 61850-8-1 is answered with the smaller of both numbers.
func TestProposalsOfRealClients(t *testing.T) {
	eager := mms.InitRequestDetail{ProposedVersionNumber: 1, ProposedParameterCBB: parameterCBB,
		ServicesSupportedCalling: mms.Services(mms.ServiceRead, mms.ServiceStatus)}
	for _, tc := range []struct {
		name    string
		propose mms.InitiateRequest
		want    Parameters
	}{
		{"libiec61850", mms.InitiateRequest{LocalDetailCalling: ptr(int32(65000)), ProposedMaxServOutstandingCalling: 5, ProposedMaxServOutstandingCalled: 5,
			ProposedDataStructureNestingLevel: ptr(int8(10)), InitRequestDetail: eager}, Parameters{MaxPDU: 65000, Ours: 5, Theirs: 5, Nesting: 10}},
		{"no limits", mms.InitiateRequest{ProposedMaxServOutstandingCalling: 1, ProposedMaxServOutstandingCalled: 0, InitRequestDetail: eager},
			Parameters{MaxPDU: 65000, Ours: 0, Theirs: 1, Nesting: 10}},
		{"a small PDU", mms.InitiateRequest{LocalDetailCalling: ptr(int32(1000)), ProposedMaxServOutstandingCalling: 100, ProposedMaxServOutstandingCalled: 100,
			InitRequestDetail: eager}, Parameters{MaxPDU: 1000, Ours: 16, Theirs: 16, Nesting: 10}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := machineOf(t, Config{LeastPDU: 64})
			st := m.input(&tc.propose)
			tc.want.Services, tc.want.CBB = eager.ServicesSupportedCalling, parameterCBB
			if diff := cmp.Diff(tc.want, m.agreed); !st.opened || diff != "" {
				t.Errorf("opened %t, ended %v\n%s", st.opened, st.ended, diff)
			}
			r, ok := st.send.(*mms.InitiateResponse)
			if !ok || *r.LocalDetailCalled != int32(tc.want.MaxPDU) || r.NegotiatedMaxServOutstandingCalling != int16(tc.want.Theirs) ||
				r.NegotiatedMaxServOutstandingCalled != int16(tc.want.Ours) || r.InitResponseDetail.NegotiatedParameterCBB != parameterCBB {
				t.Errorf("answered %+v", st.send)
			}
		})
	}
}

func machineOf(t *testing.T, c Config) *machine {
	t.Helper()
	cfg, err := c.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return newMachine(cfg)
}

// Each leniency takes one thing that nothing else allows.
func TestProposalsThatTakeALeniency(t *testing.T) {
	for _, tc := range []struct {
		name    string
		lenient Lenient
		edit    func(*mms.InitiateRequest)
		agreed  func(Parameters) bool
	}{
		{"no alternate access and no lists", Lenient{FewBlocks: true},
			func(p *mms.InitiateRequest) { p.InitRequestDetail.ProposedParameterCBB = mms.ParamVNAM | mms.ParamSTR2 },
			func(p Parameters) bool { return p.CBB == mms.ParamVNAM|mms.ParamSTR2 }},
		{"nesting 2", Lenient{LowNesting: true}, func(p *mms.InitiateRequest) { *p.ProposedDataStructureNestingLevel = 2 },
			func(p Parameters) bool { return p.Nesting == 2 }},
		{"no call at once", Lenient{NoCalls: true}, func(p *mms.InitiateRequest) { p.ProposedMaxServOutstandingCalling = 0 },
			func(p Parameters) bool { return p.Theirs == 1 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := proposal()
			tc.edit(p)
			if st := machineOf(t, Config{}).input(p); st.opened {
				t.Error("taken although nothing allows it")
			}
			m := machineOf(t, Config{Lenient: tc.lenient})
			if st := m.input(p); !st.opened || !tc.agreed(m.agreed) {
				t.Errorf("opened %t (%v), agreed on %+v", st.opened, st.ended, m.agreed)
			}
		})
	}
	p := proposal()
	p.InitRequestDetail.ProposedParameterCBB = 0
	if st := machineOf(t, Config{Lenient: Lenient{FewBlocks: true}}).input(p); st.opened {
		t.Error("a peer without named variables was taken")
	}
}

func TestAnswersThatTakeALeniency(t *testing.T) {
	for _, tc := range []struct {
		name    string
		lenient Lenient
		edit    func(*mms.InitiateResponse)
	}{
		{"raised PDU size", Lenient{RaisedNumbers: true}, func(p *mms.InitiateResponse) { *p.LocalDetailCalled = 1 << 20 }},
		{"raised calls", Lenient{RaisedNumbers: true}, func(p *mms.InitiateResponse) { p.NegotiatedMaxServOutstandingCalling = 1000 }},
		{"raised nesting", Lenient{RaisedNumbers: true}, func(p *mms.InitiateResponse) { *p.NegotiatedDataStructureNestingLevel = 100 }},
		{"raised version", Lenient{RaisedNumbers: true}, func(p *mms.InitiateResponse) { p.InitResponseDetail.NegotiatedVersionNumber = 2 }},
		{"no call at once", Lenient{NoCalls: true}, func(p *mms.InitiateResponse) { p.NegotiatedMaxServOutstandingCalling = 0 }},
		{"low nesting", Lenient{LowNesting: true}, func(p *mms.InitiateResponse) { *p.NegotiatedDataStructureNestingLevel = 2 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			answer := func(l Lenient) (*machine, step) {
				m := machineOf(t, Config{Lenient: l})
				m.initiate()
				p := m.cfg.response(Parameters{MaxPDU: defaultMaxPDU, Ours: 2, Theirs: 2, Nesting: defaultNesting, CBB: parameterCBB})
				tc.edit(p)
				return m, m.input(p)
			}
			if _, st := answer(Lenient{}); st.opened {
				t.Error("taken although nothing allows it")
			}
			m, st := answer(tc.lenient)
			if a := m.agreed; !st.opened || a.MaxPDU > defaultMaxPDU || a.Ours < 1 || a.Ours > defaultOutstanding || a.Nesting > defaultNesting {
				t.Errorf("opened %t (%v), agreed on %+v", st.opened, st.ended, m.agreed)
			}
		})
	}
}

// ISO 9506-2, Cancel-ErrorPDU: a cancel never ends an association, and says of which request it speaks.
func TestCancelIsDeclined(t *testing.T) {
	m := machineOf(t, Config{})
	m.input(proposal())
	m.input(&mms.ConfirmedRequest{InvokeID: 7, Service: &mms.IdentifyRequest{}})
	for id, want := range map[uint32]mms.ErrorClass{7: mms.CancelCancelNotPossible, 8: mms.CancelInvokeIDUnknown} {
		st := m.input(&mms.CancelRequest{OriginalInvokeID: id})
		got, ok := st.send.(*mms.CancelError)
		if !ok || got.OriginalInvokeID != id || got.ServiceError.ErrorClass != want || st.ended != nil {
			t.Errorf("cancel of %d: got %+v, ended %v; want %v", id, st.send, st.ended, want)
		}
	}
	if !m.respond(7) {
		t.Error("the request is not answered any more")
	}
}
