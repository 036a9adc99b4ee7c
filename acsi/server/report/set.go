package report

import (
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// Set writes v, of the attribute's type, to the attribute called name, as client asks. DatSet has SetDataSet. The error is an
// *acsi.Error; then nothing has changed.
//
// IEC 61850-7-2, 17.2.3.4 and 17.2.5.4, SetBRCBValues and SetURCBValues.
func (c *Control) Set(now time.Time, client Client, name string, v value.Value) error {
	if err := c.usable(client); err != nil {
		return err
	}
	switch name {
	case "RptEna":
		return c.setEnabled(now, client, v.Bool())
	case "GI":
		return c.setGI(now, client, v.Bool())
	}
	if c.enabled {
		return refused("it is enabled: only RptEna and GI can be written")
	}
	switch name {
	case "Resv":
		c.setResv(client, v.Bool())
	case "ResvTms":
		tms, _ := v.Int()
		return c.setResvTms(client, int16(tms))
	case "PurgeBuf":
		if v.Bool() {
			c.purge()
		}
	case "EntryID":
		return c.setEntryID(v.Text())
	case "RptID":
		c.change(now, c.rptID != v.Text(), func() { c.rptID = v.Text() })
	case "BufTm":
		ms, _ := v.Uint()
		c.change(now, c.bufTm != uint32(ms), func() { c.bufTm = uint32(ms) })
	case "IntgPd":
		ms, _ := v.Uint()
		c.change(now, c.intgPd != uint32(ms), func() { c.intgPd = uint32(ms) })
	case "TrgOps":
		ops, _ := acsi.TrgOpsOf(v)
		ops &^= 1
		c.change(now, c.trgOps != ops, func() { c.trgOps = ops })
	case "OptFlds":
		flds, _ := acsi.OptFldsOf(v)
		c.optFlds = c.ownOptFlds(flds)
	default:
		return acsi.Errorf(acsi.ObjectAccessDenied, "%s cannot be written", name)
	}
	return nil
}

// SetDataSet is Set of DatSet: name as it travels, and its members as they do, or "" and none.
func (c *Control) SetDataSet(now time.Time, client Client, name string, members []string) error {
	if err := c.usable(client); err != nil {
		return err
	}
	if c.enabled {
		return refused("it is enabled: only RptEna and GI can be written")
	}
	if name == c.dataSet {
		return nil
	}
	c.ReplaceDataSet(now, name, members)
	return nil
}

// ReplaceDataSet changes the data set where the one that was there is no more, whoever uses the control block.
func (c *Control) ReplaceDataSet(now time.Time, name string, members []string) {
	c.becomeDataSet(name, members)
	if c.confRev++; c.confRev == 0 {
		c.confRev = 1
	}
	c.plan(now)
}

// change carries out what a buffer that was filled otherwise does not outlive.
func (c *Control) change(now time.Time, changes bool, do func()) {
	if !changes {
		return
	}
	do()
	c.purge()
	c.plan(now)
}

func (c *Control) setEnabled(now time.Time, client Client, on bool) error {
	switch {
	case on == c.enabled:
	case !on:
		c.becomeDisabled(now)
	case c.dataSet == "":
		return acsi.Errorf(acsi.ObjectAttributeInconsistent, "it has no data set: write DatSet first")
	default:
		c.becomeEnabled(now, client)
	}
	return nil
}

func (c *Control) setResv(client Client, on bool) {
	if on {
		c.becomeHeld(client)
		c.resv = true
	} else {
		c.becomeFree()
	}
}

func (c *Control) setResvTms(client Client, tms int16) error {
	switch {
	case c.cfg.Assigned != nil:
		return refused("it is reserved by its engineering")
	case tms < 0:
		return acsi.Errorf(acsi.ObjectValueInvalid, "ResvTms is a number of seconds, or 0 for no reservation")
	case tms == 0:
		c.becomeFree()
	default:
		c.becomeHeld(client)
		c.resvTms = min(tms, c.cfg.MaxResvTms)
	}
	return nil
}

// setEntryID makes the entry after the given one the next to be sent; after none, it is the oldest.
func (c *Control) setEntryID(octets string) error {
	var id acsi.EntryID
	copy(id[:], octets)
	number := id.Number()
	if !c.resume(number) {
		return acsi.Errorf(acsi.ObjectValueInvalid, "the buffer has no entry %x", id)
	}
	c.shownID, c.shownAt = number, c.timeOf(number)
	return nil
}

func (c *Control) setGI(now time.Time, client Client, on bool) error {
	switch {
	case !on:
		return nil
	case !c.enabled || c.holder != client.ID:
		return refused("it is not enabled")
	case c.trgOps&acsi.TrgGeneralInterrogation == 0:
		return refused("its TrgOps do not have general interrogation")
	}
	c.flush(now)
	c.whole(now, acsi.ReasonGeneralInterrogation)
	return nil
}
