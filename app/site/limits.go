package site

import (
	"cmp"
	"fmt"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
)

// IEDs says how much the IEDs here take and keep.
type IEDs struct {
	Associations int   `yaml:"associations,omitempty"`  // at once over each mapping; default: as the SCL file says, else 256
	ReportBuffer int   `yaml:"report_buffer,omitempty"` // octets that each report control block keeps; default 1 MiB
	LogSize      int   `yaml:"log_size,omitempty"`      // octets that each log keeps; default 8 MiB
	StateSize    int64 `yaml:"state_size,omitempty"`    // octets of the file of what outlives an IED; default 1 GiB
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
		{"log_size", int64(c.LogSize), 4 << 10, 1 << 30},
		{"state_size", c.StateSize, 1 << 20, 1 << 40},
	} {
		if f.v != 0 && (f.v < f.least || f.v > f.most) {
			return Hint(fmt.Errorf("%s: %d is not %d to %d", f.name, f.v, f.least, f.most), "leave it out, or choose another number; sizes are in octets")
		}
	}
	return nil
}

// limit has an engine keep no more than that.
func (c IEDs) limit(cfg *server.Config) {
	cfg.ReportBuffer, cfg.LogSize = c.ReportBuffer, c.LogSize
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
