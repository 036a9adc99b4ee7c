package schedule

import "time"

// Calendar is a time that comes again and again, in the zone of the times that it is asked about. The zero Calendar never comes.
//
// IEC 61850-7-3, CalendarTime.
type Calendar struct {
	Occ     int // which weekday of the month, week or day of the year; 1 is the first
	Type    OccType
	Period  Period
	Weekday int // 1 is Monday
	Month   int // 1 is January
	Day     int // of the month
	Hour    int
	Minute  int
}

// OccType says what Occ counts.
type OccType uint8

// What Occ counts.
const (
	ByTime OccType = iota
	ByWeekday
	ByWeekOfYear
	ByDayOfMonth
	ByDayOfYear
)

// Period is how often a calendar time comes.
type Period uint8

// The periods.
const (
	Hourly Period = iota
	Daily
	Weekly
	Monthly
	Yearly
)

// Next is the first time of c that is not before from; ok is false where it never comes.
func (c Calendar) Next(from time.Time) (next time.Time, ok bool) {
	if c == (Calendar{}) || c.Hour > 23 || c.Minute > 59 || c.Hour < 0 || c.Minute < 0 || c.Period > Yearly {
		return time.Time{}, false
	}
	if c.Period == Hourly {
		next = from.Truncate(time.Hour).Add(time.Duration(c.Minute) * time.Minute)
		for next.Before(from) {
			next = next.Add(time.Hour)
		}
		return next, true
	}
	const years = 8 // from one 29 February to the next, at most
	y, m, d := from.Date()
	for i := range years*366 + 1 {
		next = time.Date(y, m, d+i, c.Hour, c.Minute, 0, 0, from.Location())
		if !next.Before(from) && c.on(next) {
			return next, true
		}
	}
	return time.Time{}, false
}

// on reports whether c comes on the day of t.
func (c Calendar) on(t time.Time) bool {
	weekday := (int(t.Weekday())+6)%7 + 1
	switch c.Period {
	case Weekly:
		return weekday == c.Weekday
	case Monthly:
		if c.Type == ByWeekday {
			return weekday == c.Weekday && (t.Day()+6)/7 == c.Occ
		}
		return t.Day() == c.Day
	case Yearly:
		switch c.Type {
		case ByWeekday:
			return int(t.Month()) == c.Month && weekday == c.Weekday && (t.Day()+6)/7 == c.Occ
		case ByWeekOfYear:
			_, week := t.ISOWeek()
			return week == c.Occ && weekday == c.Weekday
		case ByDayOfYear:
			return t.YearDay() == c.Occ
		}
		return int(t.Month()) == c.Month && t.Day() == c.Day
	}
	return true
}
