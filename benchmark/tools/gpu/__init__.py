"""What has to be seen on a GPU, in one script for a machine that is lent for minutes: exits, the whole path, speed."""
