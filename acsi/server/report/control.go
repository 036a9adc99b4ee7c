// Package report is a report control block as a pure machine: what is written to it, what it collects of the changes of its data
// set's members, what it buffers, and which report goes next.
package report

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// DefaultLimit is how much a control block holds of what is not yet sent, and a buffered one of what it has sent, where nothing
// else is configured, in octets.
const DefaultLimit = 1 << 20

// MaxResvTms is the longest reservation that ResvTms can say, in seconds.
const MaxResvTms = 1<<15 - 1

// minPeriod is the shortest integrity period that is kept: a shorter one would be work without end.
const minPeriod = 20 * time.Millisecond

// Config is a control block as it is engineered.
type Config struct {
	Name     string // as it travels: LD/LN$BR$Name; the report's id where RptID is empty
	Buffered bool
	RptID    string
	DataSet  string   // as it travels; "": none
	Members  []string // of the data set, as they travel
	ConfRev  uint32
	OptFlds  acsi.OptFlds
	TrgOps   acsi.TrgOps
	BufTm    uint32   // milliseconds
	IntgPd   uint32   // milliseconds
	Assigned []string // addresses or names of the clients that alone may use it; nil: whoever comes first
	Limit    int      // octets of what it holds; 0: DefaultLimit
	// MaxResvTms is the longest reservation of a buffered one that outlives an association, in seconds; 0: MaxResvTms.
	MaxResvTms int16

	// Value gives what a member of the data set holds now.
	Value func(member int) value.Value
}

// Client is one association of a client.
type Client struct {
	ID      uint64 // of the association, not 0
	Address string // a full JID or network address: the Owner
	Name    string // who it is, without what tells its associations apart
	Proven  bool   // Name is that of a certificate
}

// account is who may come back to what c has reserved: it has another address then. Where the name is not proven and the address is
// one of the network, it is whoever comes from that host.
func (c Client) account() string {
	if at, err := netip.ParseAddrPort(c.Address); err == nil && !c.Proven {
		return at.Addr().Unmap().String()
	}
	return c.Name
}

// Counts is what a control block has done since it was made.
type Counts struct {
	Generated   uint64 // reports that came into being
	Sent        uint64 // reports that were taken
	Overwritten uint64 // reports that were lost before they were sent, because others needed their room
}

// Control is a report control block. It is used by one goroutine at a time.
//
//	         Set(RptEna)
//	idle  ───────────────▶  enabled      a buffered one collects and buffers in either state, an unbuffered one only
//	 ▲ ◀───────────────────    │         while it is enabled
//	 │  Set(RptEna), Lost      │ Lost
//	 │                         ▼
//	 └───────────────────  reserved      for the client that was lost, for ResvTms seconds
//	        Tick
//
// IEC 61850-7-2, 17.2.
type Control struct {
	cfg Config

	rptID   string
	dataSet string
	members []string
	confRev uint32
	optFlds acsi.OptFlds
	trgOps  acsi.TrgOps
	bufTm   uint32
	intgPd  uint32

	enabled bool
	holder  uint64    // the association that has enabled or reserved it; 0: none
	owner   string    // the address of who has, or had when it was lost
	account string    // whose that is
	resv    bool      // an unbuffered one: reserved by a write of Resv
	resvTms int16     // a buffered one: seconds that the reservation outlives the association
	until   time.Time // when the reservation of a client that was lost ends

	sqNum    uint16    // of the next report
	shownID  uint64    // EntryID, and TimeofEntry, as they are read
	shownAt  time.Time // …
	pending  []pending // by member: what has changed since the buffer time began
	waiting  int       // members that have something pending
	deadline time.Time // when the buffer time ends; zero: it has not begun
	integral time.Time // when the next integrity report is due; zero: never
	buffer
	counts Counts
}

// pending is a change that waits for the end of the buffer time.
type pending struct {
	why   acsi.Reason // 0: nothing waits
	value value.Value
}

// New makes a control block of cfg.
func New(now time.Time, cfg Config) *Control {
	if cfg.Limit == 0 {
		cfg.Limit = DefaultLimit
	}
	if cfg.MaxResvTms == 0 {
		cfg.MaxResvTms = MaxResvTms
	}
	c := &Control{cfg: cfg, rptID: cfg.RptID, confRev: cfg.ConfRev, trgOps: cfg.TrgOps &^ 1, bufTm: cfg.BufTm, intgPd: cfg.IntgPd}
	c.optFlds = c.ownOptFlds(cfg.OptFlds)
	c.becomeDataSet(cfg.DataSet, cfg.Members)
	c.plan(now)
	return c
}

// ownOptFlds are those of o that the control block has: an unbuffered one has no entries.
func (c *Control) ownOptFlds(o acsi.OptFlds) acsi.OptFlds {
	o &^= 1
	if !c.cfg.Buffered {
		o &^= acsi.OptBufOvfl | acsi.OptEntryID
	}
	return o
}

// Buffered reports whether it is a buffered one.
func (c *Control) Buffered() bool { return c.cfg.Buffered }

// Enabled reports whether it sends reports.
func (c *Control) Enabled() bool { return c.enabled }

// Holder is the association that has enabled or reserved it, or 0.
func (c *Control) Holder() uint64 { return c.holder }

// UsedBy reports whether client, or another association of its account, has enabled or reserved it, or has it kept for when it comes
// back.
func (c *Control) UsedBy(client Client) bool { return c.owner != "" && c.account == client.account() }

// DataSet is the data set's name as it travels, or "".
func (c *Control) DataSet() string { return c.dataSet }

// Counts is what it has done.
func (c *Control) Counts() Counts { return c.counts }

// Wants are the reasons for which it takes in changes now.
func (c *Control) Wants() acsi.Reason {
	if !c.collects() {
		return 0
	}
	const changes = acsi.TrgDataChange | acsi.TrgQualityChange | acsi.TrgDataUpdate
	return acsi.Reason(c.trgOps&changes) | acsi.ReasonApplicationTrigger
}

// collects reports whether changes count now.
func (c *Control) collects() bool { return c.dataSet != "" && (c.cfg.Buffered || c.enabled) }

// Value is the attribute called name as it is read; not valid where the control block has none of that name.
func (c *Control) Value(name string) value.Value {
	switch name {
	case "RptID":
		return value.Visible(c.rptID)
	case "RptEna":
		return value.Bool(c.enabled)
	case "Resv":
		return value.Bool(c.resv || c.enabled || c.cfg.Assigned != nil)
	case "DatSet":
		return value.Visible(c.dataSet)
	case "ConfRev":
		return value.Uint(uint64(c.confRev))
	case "OptFlds":
		return c.optFlds.Value()
	case "BufTm":
		return value.Uint(uint64(c.bufTm))
	case "SqNum":
		return value.Uint(uint64(c.sqNum))
	case "TrgOps":
		return c.trgOps.Value()
	case "IntgPd":
		return value.Uint(uint64(c.intgPd))
	case "GI", "PurgeBuf":
		return value.Bool(false) // they are done at once
	case "EntryID":
		id := acsi.EntryNumber(c.shownID)
		return value.Octets(id[:])
	case "TimeofEntry":
		return value.BinTimeOf(c.shownAt)
	case "ResvTms":
		if c.cfg.Assigned != nil {
			return value.Int(-1)
		}
		return value.Int(int64(c.resvTms))
	case "Owner":
		return value.Octets([]byte(c.owner[:min(len(c.owner), 64)]))
	}
	return value.Value{}
}

// usable says why client may not make use of the control block.
func (c *Control) usable(client Client) error {
	if c.cfg.Assigned != nil && !c.assigned(client) {
		return refused("it is reserved for another client by its engineering")
	}
	if c.holder != 0 && c.holder != client.ID {
		return refused("another client makes use of it")
	}
	if c.holder == 0 && c.owner != "" && c.account != client.account() {
		return refused("it is reserved for another client")
	}
	return nil
}

// assigned reports whether the engineering names client: by its address, with a port or without, or by its name.
func (c *Control) assigned(client Client) bool {
	host, _, err := net.SplitHostPort(client.Address)
	return slices.ContainsFunc(c.cfg.Assigned, func(a string) bool {
		return a == client.Address || a == client.Name || err == nil && a == host
	})
}

func refused(why string) error { return acsi.Errorf(acsi.TemporarilyUnavailable, "%s", why) }

// becomeHeld makes client the one who uses it.
func (c *Control) becomeHeld(client Client) {
	c.holder, c.owner, c.account, c.until = client.ID, client.Address, client.account(), time.Time{}
}

// becomeFree lets everybody use it.
func (c *Control) becomeFree() {
	c.holder, c.owner, c.account, c.until = 0, "", "", time.Time{}
	c.resv, c.resvTms = false, 0
}

// becomeEnabled begins to send to client.
func (c *Control) becomeEnabled(now time.Time, client Client) {
	c.becomeHeld(client)
	c.enabled, c.sqNum = true, 0
	if !c.cfg.Buffered {
		c.purge()
		c.plan(now)
	}
}

// becomeDisabled ends to send. A reservation that nobody asked for ends with it.
func (c *Control) becomeDisabled(now time.Time) {
	c.enabled = false
	if !c.cfg.Buffered {
		c.purge()
		c.plan(now)
	} else {
		c.show()
	}
	if !c.resv && c.resvTms == 0 {
		c.becomeFree()
	}
}

// becomeDataSet changes what is reported.
func (c *Control) becomeDataSet(name string, members []string) {
	c.dataSet, c.members = name, members
	c.pending = make([]pending, len(members))
	c.purge()
}

// Lost says that the association id has ended. It is true where that has changed anything.
func (c *Control) Lost(now time.Time, id uint64) bool {
	if c.holder != id || id == 0 {
		return false
	}
	tms := c.resvTms
	c.resv = false
	if c.enabled {
		c.becomeDisabled(now)
	}
	if tms == 0 || !c.cfg.Buffered {
		c.becomeFree()
		return true
	}
	c.holder, c.until = 0, now.Add(time.Duration(tms)*time.Second)
	return true
}
