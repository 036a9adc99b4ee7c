package control

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// rig plays scripts on a machine. A line is an input, "->", and what follows from it: the outputs, separated by "; ", and in
// brackets the state and what is shown of it. Inputs:
//
//	1 select|sbow|operate|cancel [on|off] [n=ctlNum] [cat=orCat] [id=orIdent] [test] [sync] [lock] [at=SECONDS] [T=SECONDS]
//	answer ADDCAUSE | late ADDCAUSE | wait DURATION | gone CLIENT
//	given WORD…: the conditions from now on
type rig struct {
	m      *Machine
	now    time.Time
	given  Conditions
	ticket uint64
	last   uint64 // the ticket before
}

func newRig(s Settings) *rig {
	r := &rig{now: noon}
	r.m = New(s, func(*Request) Conditions { return r.given })
	return r
}

// play runs the script and compares each line.
func (r *rig) play(t *testing.T, script string) {
	t.Helper()
	for _, line := range strings.Split(script, "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		input, want, _ := strings.Cut(line, "->")
		got, err := r.input(strings.Fields(input))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if want = strings.TrimSpace(want); got != want {
			t.Errorf("%s\n got  %s\n want %s", strings.TrimSpace(input), got, want)
		}
	}
}

func (r *rig) input(words []string) (string, error) {
	if len(words) < 2 {
		return "", fmt.Errorf("too short")
	}
	switch words[0] {
	case "answer", "late":
		cause, err := acsi.ParseAddCause(words[1])
		if err != nil {
			return "", err
		}
		ticket := r.ticket
		if words[0] == "late" {
			ticket = r.last
		}
		return r.told(r.m.Answer(r.now, ticket, cause)), nil
	case "wait":
		d, err := time.ParseDuration(words[1])
		r.now = r.now.Add(d)
		return r.told(r.m.Tick(r.now)), err
	case "gone":
		return r.told(r.m.Gone(r.now, client(words[1]))), nil
	case "given":
		r.given = conditionsOf(words[1:])
		return r.told(nil), nil
	}
	req, err := r.request(words[2:])
	c := client(words[0])
	switch words[1] {
	case "select":
		return r.told(r.m.Select(r.now, c, rbac.Subject{})), err
	case "sbow":
		return r.told(r.m.SelectWithValue(r.now, c, req)), err
	case "operate":
		return r.told(r.m.Operate(r.now, c, req)), err
	case "cancel":
		return r.told(r.m.Cancel(r.now, c, req)), err
	}
	return "", fmt.Errorf("unknown input")
}

func client(word string) Client {
	n, _ := strconv.ParseUint(word, 10, 64)
	return Client(n)
}

func (r *rig) request(words []string) (Request, error) {
	req := Request{Value: value.Bool(true), Origin: acsi.Origin{Cat: acsi.OrRemoteControl, Ident: "ems"}, CtlNum: 1}
	for _, word := range words {
		key, val, _ := strings.Cut(word, "=")
		n, _ := strconv.Atoi(val)
		switch key {
		case "on":
		case "off":
			req.Value = value.Bool(false)
		case "n":
			req.CtlNum = uint8(n)
		case "cat":
			req.Origin.Cat = acsi.OrCat(n)
		case "id":
			req.Origin.Ident = val
		case "test":
			req.Test = true
		case "sync":
			req.Synchro = true
		case "lock":
			req.Interlock = true
		case "at":
			req.OperTm = noon.Add(time.Duration(n) * time.Second)
		case "T":
			req.T = noon.Add(time.Duration(n) * time.Second)
		default:
			return req, fmt.Errorf("unknown word %q", word)
		}
	}
	return req, nil
}

func conditionsOf(words []string) (c Conditions) {
	for _, word := range words {
		switch word {
		case "blocked":
			c.Behaviour = Blocked
		case "test":
			c.Behaviour = Test
		case "test/blocked":
			c.Behaviour = TestBlocked
		case "off":
			c.Behaviour = Off
		case "mode":
			c.IsMode = true
		case "alarm":
			c.Alarm = true
		case "reached":
			c.Reached = true
		case "limit":
			c.AtLimit = true
		case "outside":
			c.Outside = true
		case "local":
			c.Authority = Authority{HasLocal: true, Local: true}
		case "remote":
			c.Authority = Authority{HasLocal: true}
		}
	}
	return c
}

// told is the trace of what follows from an input.
func (r *rig) told(out []Output) string {
	var words []string
	for _, o := range out {
		switch o := o.(type) {
		case Ask:
			word := "ask " + o.Phase.String()
			if o.Blocked {
				word += " blocked"
			}
			words = append(words, word)
			if o.Phase != Deselected {
				r.last, r.ticket = r.ticket, o.Ticket
			}
		case Reply:
			words = append(words, "reply "+o.Cause.String())
		case Termination:
			words = append(words, fmt.Sprintf("end %d %s", o.Client, o.Cause))
		case Stop:
			words = append(words, "stop")
		}
	}
	state := r.m.state.String()
	for _, shown := range []struct {
		is   bool
		word string
	}{{r.m.status.Selected, "stSeld"}, {r.m.status.OpRcvd, "opRcvd"}, {r.m.status.OpOk, "opOk"}} {
		if shown.is {
			state += " " + shown.word
		}
	}
	return strings.TrimSpace(strings.Join(words, "; ") + " [" + state + "]")
}
