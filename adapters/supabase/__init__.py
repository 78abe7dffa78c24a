"""The database, through Supabase's own client."""
