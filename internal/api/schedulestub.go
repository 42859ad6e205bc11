package api

func (s *service) createSchedule(*request) (reply, error)       { return reply{}, nil }
func (s *service) listSchedules(*request) (reply, error)        { return reply{}, nil }
func (s *service) getSchedule(*request) (reply, error)          { return reply{}, nil }
func (s *service) patchSchedule(*request) (reply, error)        { return reply{}, nil }
func (s *service) deleteSchedule(*request) (reply, error)       { return reply{}, nil }
func (s *service) scheduleNext(*request) (reply, error)         { return reply{}, nil }
func (s *service) scheduleHistory(*request) (reply, error)      { return reply{}, nil }
func (s *service) listScheduleVersions(*request) (reply, error) { return reply{}, nil }
func (s *service) getScheduleVersion(*request) (reply, error)   { return reply{}, nil }
func (s *service) runSchedule(*request) (reply, error)          { return reply{}, nil }
func (s *service) backfillSchedule(*request) (reply, error)     { return reply{}, nil }
func (s *service) skipNext(*request) (reply, error)             { return reply{}, nil }
func (s *service) pauseSchedule(*request) (reply, error)        { return reply{}, nil }
func (s *service) resumeSchedule(*request) (reply, error)       { return reply{}, nil }
