package site

import (
	"cmp"
	"fmt"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
)

// IEDs says how much the IEDs here take and keep.
type IEDs struct {
	Associations int `yaml:"associations,omitempty"`  // at once over each mapping; default: as the SCL file says, else 256
	ReportBuffer int `yaml:"report_buffer,omitempty"` // octets that each report control block keeps; default 1 MiB
	// ReportsPerAccount is how many report control blocks of an IED one account uses or reserves at once; default: half of them, at
	// least 8, and where its role lets it control or configure, all.
	ReportsPerAccount int `yaml:"reports_per_account,omitempty"`
	// Reservation is the longest that a client may have a buffered one kept while it is away (ResvTms); default 1h, at most 9h.
	Reservation time.Duration `yaml:"reservation,omitempty"`
	LogSize     int           `yaml:"log_size,omitempty"`   // octets that each log keeps; default 8 MiB
	StateSize   int64         `yaml:"state_size,omitempty"` // octets of the file of what outlives an IED; default 1 GiB
}

const defaultAssociations = 256

// check refuses what no IED can do with, or any host.
func (c IEDs) check() error {
	for _, f := range []struct {
		name        string
		v           int64
		least, most int64
	}{
		{"associations", int64(c.Associations), 1, 10_000},
		{"report_buffer", int64(c.ReportBuffer), 4 << 10, 1 << 30},
		{"reports_per_account", int64(c.ReportsPerAccount), 1, 100_000},
		{"log_size", int64(c.LogSize), 4 << 10, 1 << 30},
		{"state_size", c.StateSize, 1 << 20, 1 << 40},
	} {
		if f.v != 0 && (f.v < f.least || f.v > f.most) {
			return Hint(fmt.Errorf("%s: %d is not %d to %d", f.name, f.v, f.least, f.most), "leave it out, or choose another number; sizes are in octets")
		}
	}
	if c.Reservation != 0 && (c.Reservation < time.Second || c.Reservation > 9*time.Hour) {
		return Hint(fmt.Errorf("reservation: %s is not 1s to 9h", c.Reservation), "leave it out, or choose another time, such as 30m")
	}
	return nil
}

// limit has an engine keep no more than that.
func (c IEDs) limit(cfg *server.Config) {
	cfg.ReportBuffer, cfg.LogSize = c.ReportBuffer, c.LogSize
	cfg.ReportsPerAccount, cfg.Reservation = c.ReportsPerAccount, c.Reservation
}

// associationsOf is how many associations an IED of model takes at once over each mapping.
func (c IEDs) associationsOf(model *acsi.Model) int {
	return cmp.Or(c.Associations, model.Services.MaxAttachments, defaultAssociations)
}

// noRoomHint is for the operator of an IED that has as many associations as it may have.
const noRoomHint = "ied: associations in " + FileName + " lets more of them in; without it DynAssociation in the SCL file counts"

// admission lets so many peers in at once.
func admission(most int) func(rbac.Subject) (leave func(), err error) {
	places := make(chan struct{}, most)
	return func(rbac.Subject) (func(), error) {
		select {
		case places <- struct{}{}:
			return func() { <-places }, nil
		default:
			return nil, assoc.ErrNoRoom
		}
	}
}
