package iso81

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/audit"
	"busbar.example/value"
)

// served is a server on which "x" is 1, and "long" is long.
type served struct {
	t     testing.TB
	Audit audit.Memory
	addr  string
	ended chan error // outcomes of associations

	listener *Listener
}

func serve(t testing.TB, cfg ServerConfig) *served {
	t.Helper()
	s := &served{t: t, ended: make(chan error, 1000)}
	cfg.Audit = &s.Audit
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s.addr = ln.Addr().String()
	l, err := NewListener(ln, cfg)
	must(t, err)
	s.listener = l
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		for {
			link, err := l.Accept(ctx)
			if err != nil {
				return
			}
			work.Go(func() { s.ended <- answer(ctx, link) })
		}
	})
	t.Cleanup(func() { cancel(); l.Close(); work.Wait() })
	return s
}

// answer serves one association until it ends.
func answer(ctx context.Context, link assoc.Link) error {
	a, err := assoc.Accept(ctx, link, assoc.Config{Outstanding: 4}, func(*assoc.Association) (assoc.Handler, mms.ServiceSupportOptions, error) {
		return func(_ context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
			read, ok := r.(*mms.ReadRequest)
			if !ok {
				return nil, assoc.ErrUnrecognizedService
			}
			list, _ := read.VariableAccessSpecification.(mms.ListOfVariable)
			response := &mms.ReadResponse{}
			for _, v := range list {
				got := value.Int(1)
				if v.VariableSpecification == (mms.VariableName{Name: mms.VMDSpecific("long")}) {
					got = value.Visible(strings.Repeat("x", 60_000))
				}
				response.ListOfAccessResult = append(response.ListOfAccessResult, &mms.Success{Value: got})
			}
			return response, nil
		}, mms.Services(mms.ServiceRead), nil
	})
	if err != nil {
		return err
	}
	select {
	case <-a.Done():
	case <-ctx.Done():
		a.Abort()
	}
	return a.Err()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// raw is a client whose every octet the test sends.
type raw struct {
	t    testing.TB
	conn net.Conn
	in   reader
	m    machine
	a    Association // for its framing
}

func (s *served) dial() *raw {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	must(s.t, err)
	conn.SetDeadline(time.Now().Add(time.Minute))
	s.t.Cleanup(func() { conn.Close() })
	r := &raw{t: s.t, conn: conn, in: reader{conn: conn, mostTSDU: 1 << 20, mostTPDU: tpktMost}}
	r.m.called, r.m.calling, r.m.lenient = defaultCalled, defaultCalling, lenience(true)
	r.a.mostData = 1021
	return r
}

func (r *raw) write(b []byte) {
	r.t.Helper()
	_, err := r.conn.Write(b)
	must(r.t, err)
}

// send sends a TSDU in its packets.
func (r *raw) send(tsdu []byte) { r.t.Helper(); r.write(r.a.frame(nil, tsdu)) }

// transport makes the transport connection.
func (r *raw) transport() {
	r.t.Helper()
	cr := tpdu{code: codeCR, src: 7, size: 1024, calling: []byte{0, 1}, called: []byte{0, 1}}
	r.write(cr.append(nil))
	cc, err := r.in.tpdu()
	must(r.t, err)
	if cc.code != codeCC || cc.dst != 7 || cc.src == 0 || cc.size != 1024 {
		r.t.Fatalf("got %+v, want a CC", cc)
	}
}

func initiate() []byte {
	detail, nesting := int32(65000), int8(5)
	b, err := mms.AppendBER(nil, &mms.InitiateRequest{LocalDetailCalling: &detail, ProposedMaxServOutstandingCalling: 4,
		ProposedMaxServOutstandingCalled: 4, ProposedDataStructureNestingLevel: &nesting,
		InitRequestDetail: mms.InitRequestDetail{ProposedVersionNumber: 1, ProposedParameterCBB: mms.ParamSTR1 | mms.ParamSTR2 | mms.ParamVNAM | mms.ParamVALT | mms.ParamVLIS}})
	if err != nil {
		panic(err)
	}
	return b
}

// associate makes an association.
func (r *raw) associate() {
	r.t.Helper()
	r.transport()
	r.send(r.m.connect(nil, initiate()))
	st := r.step()
	if st.ended != nil || len(st.pdus) != 1 || r.m.state != established {
		r.t.Fatalf("got %+v, state %v, want an association", st, r.m.state)
	}
}

// step receives a TSDU and what it means.
func (r *raw) step() step {
	r.t.Helper()
	tsdu, err := r.in.next()
	must(r.t, err)
	return r.m.input(bytes.Clone(tsdu))
}

// data sends a PDU as data.
func (r *raw) data(pdu mms.PDU) {
	r.t.Helper()
	b, err := mms.AppendBER(nil, pdu)
	must(r.t, err)
	r.octets(b)
}

func (r *raw) octets(pdu []byte) {
	r.t.Helper()
	r.send(append([]byte(sessionData), encode(userDataType, inContext(r.m.mms, pdu))...))
}

// pdu receives a PDU.
func (r *raw) pdu() mms.PDU {
	r.t.Helper()
	st := r.step()
	if st.ended != nil || len(st.pdus) != 1 {
		r.t.Fatalf("got %+v, want a PDU", st)
	}
	pdu, err := mms.DecodeBER(st.pdus[0], mms.Limits{})
	must(r.t, err)
	return pdu
}

// reads asks for "x" and wants it answered.
func (r *raw) reads(id uint32) {
	r.t.Helper()
	r.data(readX(id))
	if got, ok := r.pdu().(*mms.ConfirmedResponse); !ok || got.InvokeID != id {
		r.t.Errorf("got %+v, want the answer to %d", got, id)
	}
}

func readX(id uint32) *mms.ConfirmedRequest {
	return &mms.ConfirmedRequest{InvokeID: id, Service: &mms.ReadRequest{VariableAccessSpecification: mms.ListOfVariable{
		{VariableSpecification: mms.VariableName{Name: mms.VMDSpecific("x")}}}}}
}

// closed wants the connection to be closed, after what is left was read.
func (r *raw) closed() {
	r.t.Helper()
	if n, err := io.Copy(io.Discard, r.conn); err != nil && !errors.Is(err, net.ErrClosed) && !isReset(err) {
		r.t.Errorf("got %d octets and %v, want the connection closed", n, err)
	}
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

// outcome is why an association has ended.
func (s *served) outcome() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(time.Minute):
		s.t.Fatal("the association does not end")
		return nil
	}
}

// stillServes wants that others are served as before.
func (s *served) stillServes() {
	s.t.Helper()
	r := s.dial()
	r.associate()
	r.reads(1)
	r.conn.Close()
	s.outcome()
}
