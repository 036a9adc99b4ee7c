package iso81

import (
	"net"
	"reflect"
	"testing"
	"time"

	"busbar.example/mms"
)

// Each leniency is taken where it is allowed, and refused where it alone is not.
func TestEachLeniency(t *testing.T) {
	cases := map[string]func(*testing.T, lenient) error{
		"anyReference": func(t *testing.T, l lenient) error {
			return answeredBy(t, l, tpdu{code: codeCC, dst: 0xffff, src: 1}, nil)
		},
		"connectData": func(t *testing.T, l lenient) error {
			return answeredBy(t, l, tpdu{code: codeCC, src: 1}, []byte("welcome"))
		},
		"longTPDU": func(_ *testing.T, l lenient) error {
			sender, receiver := &Association{mostData: 1021}, newAssociation(nil, mustDefaults(Config{}))
			receiver.machine.lenient = l
			receiver.useTPDU(128)
			here, there := net.Pipe()
			receiver.in.conn = there
			go func() { here.Write(sender.frame(nil, make([]byte, 500))); here.Close() }()
			_, err := receiver.in.next()
			return err
		},
		"dataAlone": func(t *testing.T, l lenient) error {
			return taken(l, established, octets(t, "0100 61 09 3007 020103 a002 8b00"))
		},
		"simpleData": func(t *testing.T, l lenient) error {
			return taken(l, established, octets(t, "0100 0100 40 02 8b00"))
		},
		"fewResults": func(_ *testing.T, l lenient) error {
			return accepted(l, func(cpa *acceptPPDU, _ *associateResponse) { cpa.Normal.Results = cpa.Normal.Results[:1] })
		},
		"anyIndirect": func(_ *testing.T, l lenient) error {
			return accepted(l, func(_ *acceptPPDU, aare *associateResponse) { n := int32(1); aare.UserInformation[0].Indirect = &n })
		},
		"anyContext": func(_ *testing.T, l lenient) error {
			return accepted(l, func(_ *acceptPPDU, aare *associateResponse) { aare.Context = "1.0.9506.1.1" })
		},
		"silentRelease": func(t *testing.T, l lenient) error { return taken(l, established, octets(t, "0900")) },
		"anyEncoding": func(t *testing.T, l lenient) error {
			return taken(l, established, octets(t, "0100 0100 61 0a 3008 02020003 a002 8b00"))
		},
		"longPDU": func(t *testing.T, l lenient) error {
			a := newAssociation(nil, mustDefaults(Config{}))
			a.machine.lenient = l
			detail := int32(64)
			a.establish(&mms.InitiateResponse{LocalDetailCalled: &detail})
			b, err := mms.AppendBER(nil, &mms.ConfirmedRequest{Service: &mms.ReadRequest{VariableAccessSpecification: slicesOf(10)}})
			must(t, err)
			_, err = a.decode(b)
			return err
		},
	}
	for i := range reflect.TypeFor[lenient]().NumField() {
		name := reflect.TypeFor[lenient]().Field(i).Name
		t.Run(name, func(t *testing.T) {
			c, ok := cases[name]
			if !ok {
				t.Fatal("this leniency has no test")
			}
			all := lenience(false)
			if err := c(t, all); err != nil {
				t.Errorf("it is not taken: %v", err)
			}
			without(&all, name)
			if err := c(t, all); err == nil {
				t.Error("it is taken though it is not allowed")
			}
			if all = lenience(true); c(t, all) == nil {
				t.Error("it is taken strictly")
			}
		})
	}
}

func mustDefaults(c Config) *Config {
	cfg, err := c.withDefaults()
	if err != nil {
		panic(err)
	}
	return cfg
}

// without takes one leniency away.
func without(l *lenient, name string) {
	switch name {
	case "anyReference":
		l.anyReference = false
	case "connectData":
		l.connectData = false
	case "longTPDU":
		l.longTPDU = false
	case "dataAlone":
		l.dataAlone = false
	case "simpleData":
		l.simpleData = false
	case "fewResults":
		l.fewResults = false
	case "anyIndirect":
		l.anyIndirect = false
	case "anyContext":
		l.anyContext = false
	case "silentRelease":
		l.silentRelease = false
	case "anyEncoding":
		l.anyEncoding = false
	case "longPDU":
		l.longPDU = false
	}
}

// answeredBy has a client's CR answered by cc, and octets behind it. A zero dst stands for the client's reference.
func answeredBy(t *testing.T, l lenient, cc tpdu, data []byte) error {
	here, there := net.Pipe()
	defer here.Close()
	a := newAssociation(there, mustDefaults(Config{}))
	a.machine.lenient = l
	a.setUp = time.Now().Add(10 * time.Second)
	go func() {
		in := reader{conn: here}
		cr, err := in.tpdu()
		if err != nil {
			return
		}
		if cc.dst == 0 {
			cc.dst = cr.src
		}
		b := append(cc.append(nil), data...)
		putPacketHeader(b)
		here.Write(b)
	}()
	return a.dialTransport(t.Context(), "")
}

// taken puts a TSDU into a machine.
func taken(l lenient, s state, tsdu []byte) error {
	m := &machine{lenient: l, state: s, acse: acseContext, mms: ourMMS}
	return m.input(tsdu).ended
}

// accepted gives a client an ACCEPT that is changed.
func accepted(l lenient, change func(*acceptPPDU, *associateResponse)) error {
	client, server := &machine{lenient: l, called: defaultCalled}, &machine{}
	server.input(client.connect(nil, initiate()))
	aare := &associateResponse{Context: mmsContext, Result: associateAccepted, Diagnostic: DiagnosticNull, UserInformation: server.userInformation(initiate())}
	cpa := &acceptPPDU{ModeSelector: modeSelector{Value: normalMode}, Normal: &acceptParameters{Results: server.results}}
	change(cpa, aare)
	cpa.Normal.UserData = server.inACSE(aare)
	ac := &spdu{kind: siAccept, version: version2, units: duplex, data: encode(acceptType, cpa)}
	return client.input(ac.append(nil)).ended
}
